import { describe, expect, it } from '@jest/globals';
import { parseRequirements } from './parse.js';

/** Each title, and after an arrow what it waits for: the titles' ids, shortened to what tells them apart. */
type Row = readonly [text: string, expected: Readonly<Record<string, readonly string[]>>];

const ROWS: readonly Row[] = [
  [
    'Create a REST API for user management with authentication, including login, registration, and password reset functionality',
    {
      'Create a REST API for user management': [],
      'Implement login': ['create-rest-api-user-management', 'add-authentication'],
      'Implement registration': ['create-rest-api-user-management', 'add-authentication'],
      'Implement password reset': ['create-rest-api-user-management', 'add-authentication'],
      'Add authentication': [],
    },
  ],
  ['Add a --version flag', { 'Add a --version flag': [] }],
  ['Dark mode', { 'Implement dark mode': [] }],
  ['The login page crashes when the password is empty.', { 'Fix: the login page crashes when the password is empty': [] }],
  [
    'The checkout returns 500 when the cart is empty. Fix it and add a regression test.',
    {
      'Fix: the checkout returns 500 when the cart is empty': [],
      'Add a regression test': ['fix-checkout-returns-500-when-cart-is-empty'],
    },
  ],
  [
    'Fix the following bugs: the cart total is wrong, the search crashes on empty input, and emails are sent twice',
    { 'Fix: the cart total is wrong': [], 'Fix: the search crashes on empty input': [], 'Fix: emails are sent twice': [] },
  ],
  [
    'Refactor the payment module and write tests for it, then deploy to staging.',
    {
      'Refactor the payment module': [],
      'Write tests for the payment module': ['refactor-payment-module'],
      'Deploy to staging': ['refactor-payment-module', 'write-tests-payment-module'],
    },
  ],
  [
    'Hi team! Could you please add CSV, JSON and XML export to the reports page? Thanks!',
    { 'Add CSV export to the reports page': [], 'Add JSON export to the reports page': [], 'Add XML export to the reports page': [] },
  ],
  [
    'After migrating the database to PostgreSQL, update the repositories and remove the MySQL driver.',
    {
      'Migrate the database to PostgreSQL': [],
      'Update the repositories': ['migrate-database-postgresql'],
      'Remove the MySQL driver': ['migrate-database-postgresql'],
    },
  ],
  [
    'Once the login works, add password reset. Build the login form.',
    { 'Add password reset': ['build-login-form'], 'Build the login form': [] },
  ],
  ['Before releasing the app, update the changelog.', { 'Update the changelog': [], 'Release the app': ['update-changelog'] }],
  ['As a shop owner, I want to see my daily sales so that I can plan my stock.', { 'Let shop owners see their daily sales': [] }],
  ['When a user signs up, send a welcome email.', { 'Send a welcome email when a user signs up': [] }],
  ['We need a CSV export for the orders page.', { 'Add a CSV export for the orders page': [] }],
  [
    'I would like you to implement rate limiting on the public API, at most 100 requests per minute.',
    { 'Implement rate limiting on the public API': [] },
  ],
  ['Add unit and integration tests for the auth service.', { 'Add unit and integration tests for the auth service': [] }],
  ['Add search and filter to the product list', { 'Add search and filter to the product list': [] }],
  [
    'Add sorting, filtering and pagination to the orders table',
    { 'Add sorting to the orders table': [], 'Add filtering to the orders table': [], 'Add pagination to the orders table': [] },
  ],
  [
    'Set up CI with GitHub Actions that runs lint, tests and build on every push.',
    { 'Set up CI with GitHub Actions that runs lint, tests and build on every push': [] },
  ],
  [
    '1. Create the database schema\n2. Build the GraphQL API\n3. Create the React frontend\n4. Write end-to-end tests\n5. Deploy to production',
    {
      'Create the database schema': [],
      'Build the GraphQL API': ['create-database-schema'],
      'Create the React frontend': ['create-database-schema', 'build-graphql-api'],
      'Write end-to-end tests': ['create-database-schema', 'build-graphql-api', 'create-react-frontend'],
      'Deploy to production': ['create-database-schema', 'build-graphql-api', 'create-react-frontend', 'write-end-end-tests'],
    },
  ],
  [
    'Implement a CLI tool in Go that converts CSV to JSON. It must handle files larger than 1 GB. It should support --delimiter and --output flags.',
    {
      'Implement a CLI tool in Go that converts CSV to JSON': [],
      'Support --delimiter flag': ['implement-cli-tool-go-converts-csv-json'],
      'Support --output flag': ['implement-cli-tool-go-converts-csv-json'],
    },
  ],
  [
    'Please implement `GET /api/health` that returns {"status":"ok"} and add a test.',
    { 'Implement `GET /api/health` that returns {"status":"ok"}': [], 'Add a test': ['implement-get-api-health-returns-status-ok'] },
  ],
  [
    'Add internationalization support for English, German and French.',
    { 'Add internationalization support for English, German and French': [] },
  ],
  [
    'Add a "Forgot password? Then click, and wait" link to the login page',
    { 'Add a "Forgot password? Then click, and wait" link to the login page': [] },
  ],
  [
    'Write a Python script to parse Apache logs and print the top 10 IP addresses.',
    { 'Write a Python script to parse Apache logs and print the top 10 IP addresses': [] },
  ],
  ['Implement OAuth2 login with Google and GitHub', { 'Implement OAuth2 login with Google and GitHub': [] }],
  ['Investigate why the nightly job fails and fix it.', { 'Investigate why the nightly job fails': [] }],
  [
    'Users can upload files up to 10 MB, rename them, and delete them.',
    { 'Let users upload files up to 10 MB, rename them, and delete them': [] },
  ],
  [
    'Make the site accessible: all images need alt text, forms need labels, and contrast must be at least 4.5:1.',
    { 'Make the site accessible': [] },
  ],
  [
    'Build an e-commerce platform with product catalog, shopping cart and admin panel',
    {
      'Build an e-commerce platform': [],
      'Implement product catalog': ['build-e-commerce-platform'],
      'Implement shopping cart': ['build-e-commerce-platform'],
      'Add admin panel': ['build-e-commerce-platform'],
    },
  ],
  [
    '# Goal\n\nBuild a blog.\n\n- [ ] Add posts\n- [ ] Add comments\n  - comments must be moderated\n- [x] Set up the repository\n\n## Acceptance criteria\n- All pages load in under 1 s\n\n## Out of scope\n- payments\n\n```js\nbuild();\nadd(everything);\n```',
    { 'Build a blog': [], 'Add posts': ['build-blog'], 'Add comments': ['build-blog'] },
  ],
  ['Add login. Add the login! Please add a login.', { 'Add login': [] }],
  ['请创建一个用户管理系统，包括登录、注册。', { '请创建一个用户管理系统, 包括登录, 注册': [] }],
  ['Users should be able to upload avatars. Passwords must be hashed with bcrypt.', { 'Let users upload avatars': [] }],
  [
    'Our users complain that search is slow. Please add caching with Redis and an index on the products table.',
    { 'Add caching with Redis and an index on the products table': [] },
  ],
  ['Rename getUser to fetchUser everywhere', { 'Rename getUser to fetchUser everywhere': [] }],
  ['Can you write a function that reverses a string?', { 'Write a function that reverses a string': [] }],
];

const read = (text: string) => {
  const parsed = parseRequirements(text);
  if (!parsed.ok) throw new Error(`${parsed.error.code}: ${text}`);
  return parsed.value;
};

describe('parseRequirements', () => {
  it.each(ROWS)('reads %j', (text, expected) => {
    const { items } = read(text);
    expect(Object.fromEntries(items.map(({ title, dependsOn }) => [title, dependsOn]))).toEqual(expected);
  });

  it.each([
    ['The API must respond within 200 ms. Build an API for orders.', 'The API must respond within 200 ms'],
    ['Implement rate limiting, at most 100 requests per minute.', 'At most 100 requests per minute'],
    ['Add avatars. Passwords must be hashed with bcrypt.', 'Passwords must be hashed with bcrypt'],
    ['As a shop owner, I want to see my sales so that I can plan my stock.', 'Shop owners can plan their stock'],
    ['Add tokens. If the token is expired, return 401.', 'If the token is expired, return 401'],
    ['Add login.\n\nAcceptance criteria:\n- Wrong passwords are counted', 'Wrong passwords are counted'],
  ])('takes the condition in %j as an acceptance criterion, not as work', (text, criterion) => {
    const { metadata, items } = read(text);
    expect(metadata.acceptanceCriteria).toContain(criterion);
    expect(items).toHaveLength(1);
  });

  it.each([
    ['', 'empty'],
    ['  \n\t ', 'empty'],
    ['hello', 'meaningless'],
    ['asdf', 'meaningless'],
    ['???', 'meaningless'],
    ['Thanks a lot!', 'meaningless'],
    ['Our company was founded in 1998.', 'no-action'],
    ['I love this project!', 'no-action'],
    ['What is the weather?', 'no-action'],
  ])('says of %j what is missing', (text, code) => {
    const parsed = parseRequirements(text);
    expect(parsed).toMatchObject({ ok: false, error: { code } });
    expect(parsed.ok ? '' : parsed.error.message.length).toBeGreaterThan(30);
  });

  it('names technologies as their makers spell them, also those of the context', () => {
    const parsed = parseRequirements('Build a node.js service with postgres and redis', { technologies: ['typescript'] });
    expect(parsed.ok && parsed.value.metadata.technologies).toEqual(['Node.js', 'PostgreSQL', 'Redis', 'TypeScript']);
  });

  it('finds the risks of what it reads and rates more work as more complex', () => {
    const small = read('Add a --version flag').metadata;
    const large = read('Build a scalable payment platform with Stripe, user accounts, invoices, refunds and webhooks').metadata;
    expect(small).toMatchObject({ complexity: 1, risks: [] });
    expect(large.complexity).toBeGreaterThan(6);
    expect(large.risks.some((risk) => risk.startsWith('Money'))).toBe(true);
  });
});
