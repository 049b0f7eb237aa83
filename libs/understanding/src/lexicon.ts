/** Word lists of the offline rules. Data only: adding a word here is the way to teach them something. */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Verbs that ask for work and are hardly ever nouns: one of these after "and" starts a new piece of work. */
export const ACTION_VERBS = words(`
  add allow analyse analyze apply archive automate bump clean configure connect containerise containerize convert create
  define delete deprecate develop disable display drop eliminate enable encrypt enforce ensure establish expose extend extract
  fetch generate handle implement improve increase inline install integrate introduce investigate let localise localize make
  migrate modernise modernize modify move optimise optimize parse persist prevent prepare provide publish reduce refactor remove rename
  render reorganise reorganize replace resolve restructure restrict rewrite scaffold scan secure send serve simplify speed split
  standardise standardize store streamline sync throttle translate unify upgrade validate verify wire write encapsulate decouple
  notify sanitize sanitise hash rotate paginate deduplicate audit adopt adapt port
`);

/** Words that are verbs at the start of a request and nouns elsewhere. */
export const AMBIGUOUS_VERBS = words(`
  backup benchmark bind block build cache change check commit copy cover deploy design document download draft dockerize edit export
  filter fix format group hide implement import index invite lint list load lock log map mark merge mock model monitor order patch plan print
  profile process prototype query rate record redesign release report reset retry return review run save schedule search seed
  set setup share ship show sort start stop stream style stub support switch tag test track update upload use view wrap
`);

/** Modal openings: what follows is a wish or a rule. */
export const MODALS = words('must should shall can could will would may needs need has have ought cannot');

/** Verbs that state how something is, not something to build. */
export const STATIVE_VERBS = words(`
  be remain respond return stay work pass contain have use keep match follow comply conform last take cost fit last exceed
  be scale run complete finish load perform cover preserve survive happen occur fail break require include reach meet live
  accept reject refuse ignore respect adhere
`);

/** Words that turn a modal sentence back into work: "users should be able to …". */
export const ENABLING_VERBS = words('allow let support provide offer enable display show send');

/** Heads that a list shares: "CSV, JSON and XML export" is three exports. */
export const SHARED_HEADS = words(`
  export exports import imports page pages endpoint endpoints test tests form forms button buttons validation support view views
  screen screens field fields command commands table tables column columns report reports notification notifications login logins format formats
  integration integrations adapter adapters parser parsers route routes flag flags option options
`);

/** Heads that say nothing and are cut from titles: "password reset functionality". */
export const EMPTY_HEADS = words('functionality functionalities feature features capability capabilities functions etc');

/** Cross-cutting things that "with …" adds as work of their own. */
export const MODIFIER_FEATURES: readonly string[] = [
  'authentication',
  'authorization',
  'authorisation',
  'user authentication',
  'jwt authentication',
  'oauth',
  'login',
  'rate limiting',
  'pagination',
  'caching',
  'logging',
  'tests',
  'unit tests',
  'integration tests',
  'end-to-end tests',
  'e2e tests',
  'documentation',
  'validation',
  'input validation',
  'search',
  'sorting',
  'filtering',
  'dark mode',
  'error handling',
  'monitoring',
  'metrics',
  'retries',
  'file upload',
  'notifications',
  'email notifications',
  'role-based access control',
  'rbac',
  'ci',
  'docker',
  'offline support',
  'internationalization',
  'admin panel',
  'user registration',
  'payments',
  'health checks',
  'swagger',
  'openapi documentation',
  'api documentation',
  'audit logging',
];

/** Idioms whose "and" joins nothing. */
export const PAIR_IDIOMS: readonly string[] = [
  'terms and conditions',
  'drag and drop',
  'read and write',
  'search and replace',
  'find and replace',
  'copy and paste',
  'back and forth',
  'request and response',
  'black and white',
  'name and email',
  'email and password',
  'username and password',
  'date and time',
  'start and end',
  'first and last',
  'up and down',
  'front and back',
  'sign up and sign in',
];

/** Technologies and how they are written; the key is compared in lower case, as whole words. */
export const TECHNOLOGIES: Readonly<Record<string, string>> = {
  react: 'React',
  'react native': 'React Native',
  vue: 'Vue',
  angular: 'Angular',
  svelte: 'Svelte',
  'next.js': 'Next.js',
  nextjs: 'Next.js',
  vite: 'Vite',
  tailwind: 'Tailwind CSS',
  html: 'HTML',
  css: 'CSS',
  typescript: 'TypeScript',
  javascript: 'JavaScript',
  'node.js': 'Node.js',
  nodejs: 'Node.js',
  node: 'Node.js',
  express: 'Express',
  fastify: 'Fastify',
  nestjs: 'NestJS',
  deno: 'Deno',
  bun: 'Bun',
  python: 'Python',
  django: 'Django',
  flask: 'Flask',
  fastapi: 'FastAPI',
  pandas: 'pandas',
  golang: 'Go',
  rust: 'Rust',
  java: 'Java',
  kotlin: 'Kotlin',
  spring: 'Spring',
  'spring boot': 'Spring Boot',
  swift: 'Swift',
  ruby: 'Ruby',
  rails: 'Rails',
  php: 'PHP',
  laravel: 'Laravel',
  'c#': 'C#',
  '.net': '.NET',
  'c++': 'C++',
  elixir: 'Elixir',
  phoenix: 'Phoenix',
  scala: 'Scala',
  bash: 'Bash',
  postgres: 'PostgreSQL',
  postgresql: 'PostgreSQL',
  mysql: 'MySQL',
  sqlite: 'SQLite',
  mongodb: 'MongoDB',
  redis: 'Redis',
  elasticsearch: 'Elasticsearch',
  prisma: 'Prisma',
  typeorm: 'TypeORM',
  sql: 'SQL',
  rest: 'REST',
  graphql: 'GraphQL',
  grpc: 'gRPC',
  websocket: 'WebSocket',
  websockets: 'WebSocket',
  kafka: 'Kafka',
  rabbitmq: 'RabbitMQ',
  nats: 'NATS',
  jwt: 'JWT',
  oauth: 'OAuth',
  oauth2: 'OAuth 2',
  saml: 'SAML',
  openapi: 'OpenAPI',
  swagger: 'OpenAPI',
  docker: 'Docker',
  kubernetes: 'Kubernetes',
  k8s: 'Kubernetes',
  helm: 'Helm',
  terraform: 'Terraform',
  aws: 'AWS',
  s3: 'Amazon S3',
  gcp: 'Google Cloud',
  azure: 'Azure',
  'github actions': 'GitHub Actions',
  gitlab: 'GitLab',
  nginx: 'nginx',
  jest: 'Jest',
  vitest: 'Vitest',
  cypress: 'Cypress',
  playwright: 'Playwright',
  pytest: 'pytest',
  stripe: 'Stripe',
  paypal: 'PayPal',
  slack: 'Slack',
  bcrypt: 'bcrypt',
  argon2: 'Argon2',
  prometheus: 'Prometheus',
  grafana: 'Grafana',
  opentelemetry: 'OpenTelemetry',
  csv: 'CSV',
  json: 'JSON',
  xml: 'XML',
  yaml: 'YAML',
  pdf: 'PDF',
  markdown: 'Markdown',
  eslint: 'ESLint',
  webpack: 'webpack',
};

/** The programming language a technology implies; what delegation asks an agent for. */
export const LANGUAGE_OF: Readonly<Record<string, string>> = {
  TypeScript: 'typescript',
  JavaScript: 'javascript',
  'Node.js': 'javascript',
  Express: 'javascript',
  Fastify: 'javascript',
  NestJS: 'typescript',
  React: 'javascript',
  'React Native': 'javascript',
  Vue: 'javascript',
  Angular: 'typescript',
  Svelte: 'javascript',
  'Next.js': 'javascript',
  Vite: 'javascript',
  Deno: 'typescript',
  Bun: 'javascript',
  Python: 'python',
  Django: 'python',
  Flask: 'python',
  FastAPI: 'python',
  pandas: 'python',
  Go: 'go',
  Rust: 'rust',
  Java: 'java',
  Spring: 'java',
  'Spring Boot': 'java',
  Kotlin: 'kotlin',
  Swift: 'swift',
  Ruby: 'ruby',
  Rails: 'ruby',
  PHP: 'php',
  Laravel: 'php',
  'C#': 'csharp',
  '.NET': 'csharp',
  'C++': 'cpp',
  Elixir: 'elixir',
  Phoenix: 'elixir',
  Scala: 'scala',
  Bash: 'bash',
  Jest: 'javascript',
  Vitest: 'javascript',
  pytest: 'python',
  Prisma: 'typescript',
  TypeORM: 'typescript',
};

/** Words that make a title no better: articles and fillers. */
export const STOP_WORDS = words(`
  a an the of for to in on at by with from into and or as is are be been being it its this that these those their our my your we i you they he she
  so such some any all each every new also please just via using use can should must will would add create implement build make
  when if then after before once not no do does
`);

/** Opening words of small talk. */
export const GREETINGS = words(
  'hi hello hey greetings thanks thank cheers regards sincerely dear bye goodbye welcome sorry congrats ok okay best',
);
