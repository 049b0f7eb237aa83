import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { RequirementItem, StepDraft } from '@taskmaster/contracts';
import { decomposeTask } from './decompose.js';
import { parseRequirements } from './parse.js';

const GOLDEN = new URL('./golden/plans.json', import.meta.url);
const DEMO = 'Create a REST API for user management with authentication, including login, registration, and password reset functionality';

function planOf(text: string): readonly StepDraft[] {
  const parsed = parseRequirements(text);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const plan = decomposeTask(parsed.value.items, { text, metadata: parsed.value.metadata });
  if (!plan.ok) throw new Error(plan.error);
  return plan.value.steps;
}

function depthOf(steps: readonly StepDraft[]): number {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const depth = (id: string): number => 1 + Math.max(0, ...(byId.get(id)?.dependsOn ?? []).map(depth));
  return Math.max(...steps.map(({ id }) => depth(id)));
}

const REQUIREMENTS = [
  DEMO,
  'Add a --version flag',
  'The checkout returns 500 when the cart is empty. Fix it and add a regression test.',
  'Refactor the payment module and write tests for it, then deploy to staging.',
  'Build an e-commerce platform with product catalog, shopping cart, checkout with Stripe, order history and admin panel',
  '1. Create the database schema\n2. Build the GraphQL API\n3. Create the React frontend\n4. Write end-to-end tests\n5. Deploy to production',
  'Migrate the users table from MySQL to PostgreSQL without downtime.',
  'Create a landing page with a hero section, pricing table and contact form. It must load in under 1 s.',
  'As a shop owner, I want to see my daily sales so that I can plan my stock.',
  'Implement a CLI tool in Go that converts CSV to JSON. It must handle files larger than 1 GB. It should support --delimiter and --output flags.',
];

describe('decomposeTask', () => {
  it('plans the demo requirement as a senior engineer would', () => {
    const steps = planOf(DEMO);
    expect(Object.fromEntries(steps.map(({ title, dependsOn }) => [title, dependsOn]))).toEqual({
      'Define the user data model': [],
      'Create a REST API for user management': ['define-user-data-model'],
      'Add authentication': ['define-user-data-model'],
      'Implement login': ['create-rest-api-user-management', 'add-authentication'],
      'Implement registration': ['create-rest-api-user-management', 'add-authentication'],
      'Implement password reset': ['create-rest-api-user-management', 'add-authentication'],
      'Verify and document the API end to end': ['implement-login', 'implement-registration', 'implement-password-reset'],
    });
    expect(depthOf(steps)).toBeLessThanOrEqual(4);
  });

  it('keeps a small requirement small', () => {
    expect(planOf('Add a --version flag')).toHaveLength(1);
    expect(planOf('Fix the typo in the README')).toHaveLength(1);
  });

  it('says what an agent must bring', () => {
    const needs = Object.fromEntries(
      planOf('Create the database schema. Build a React page for orders. Write tests for the page. Write the user guide.').map(
        ({ id, needs: own }) => [id, own],
      ),
    );
    expect(needs['create-database-schema']).toMatchObject({ role: 'backend_developer', capabilities: ['implementation', 'database'] });
    expect(needs['build-react-page-orders']).toMatchObject({
      role: 'frontend_developer',
      languages: ['javascript'],
      specialisations: ['react'],
    });
    expect(needs['write-tests-page']).toMatchObject({ role: 'tester', capabilities: ['testing'] });
    expect(needs['write-user-guide']).toMatchObject({ role: 'technical_writer' });
  });

  it('hands stated conditions to the steps they are about, and a way to be done to every step', () => {
    const steps = planOf('Add avatars. Add login. Passwords must be hashed, and login must be refused after five attempts.');
    const criteria = (id: string): readonly unknown[] =>
      (steps.find((step) => step.id === id)?.input?.['acceptanceCriteria'] ?? []) as readonly unknown[];
    expect(criteria('add-login').join(' ')).toContain('five attempts');
    expect(criteria('add-avatars').join(' ')).not.toContain('five attempts');
    expect(steps.every(({ id }) => criteria(id).length > 0)).toBe(true);
  });

  it('joins a long list into at most a dozen ordered steps without losing anything', () => {
    const text = Array.from({ length: 40 }, (_, i) => `- Implement rule number ${String(i)}x`).join('\n');
    const steps = planOf(text);
    expect(steps.length).toBeLessThanOrEqual(13);
    expect(JSON.stringify(steps)).toContain('39x');
  });

  it('refuses to plan nothing, and survives items that contradict themselves', () => {
    expect(decomposeTask([], { text: '' }).ok).toBe(false);
    const item = (id: string, on: string): RequirementItem => ({
      id,
      title: `Do ${id}`,
      description: '',
      type: 'feature',
      priority: 'medium',
      dependsOn: [on],
    });
    const plan = decomposeTask([item('x', 'y'), item('y', 'x'), item('z', 'nobody')], { text: 'x' });
    expect(plan.ok && plan.value.steps.map(({ id }) => id)).toEqual(['do-y', 'do-z', 'do-x', 'verify-document-whole-change-end-end']);
  });

  it('plans ten requirements exactly as recorded', () => {
    const plans = Object.fromEntries(REQUIREMENTS.map((text) => [text, planOf(text)]));
    // A changed plan is a decision: record it in the file and raise the version in version.ts.
    expect(JSON.parse(JSON.stringify(plans))).toEqual(JSON.parse(readFileSync(GOLDEN, 'utf8')));
  });
});
