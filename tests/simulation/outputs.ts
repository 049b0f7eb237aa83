import type { JsonObject, Notice } from '@taskmaster/contracts';
import type { SeededRandom } from '@taskmaster/testing';
import { anyPlan } from './load.js';

/** What work of each kind might give: believable, and now and then a validation that did not pass. */
export function outputOf({ kind, input, workflowId }: Notice, random: SeededRandom): JsonObject {
  const commit = typeof input['commit'] === 'string' && input['commit'] !== '' ? input['commit'] : `commit-${String(input['cycle'] ?? 0)}`;
  switch (kind) {
    case 'requirements.parse':
      return {
        items: [{ id: 'one', title: 'one', description: 'one', type: 'feature', priority: 'medium', dependsOn: [] }],
        metadata: { complexity: 1, technologies: [], risks: [], acceptanceCriteria: [] },
        use: { provider: 'offline', model: 'simulated', inputTokens: 0, outputTokens: 0, latencyMs: 1, cached: false },
      };
    case 'requirements.decompose':
      return { plan: { steps: JSON.parse(JSON.stringify(anyPlan(random, true))) as JsonObject[] } };
    case 'change.land':
      return { number: 1, url: `local:${workflowId}`, title: 'a change', source: 'work', target: 'main', head: commit };
    case 'change.validate':
      return { passed: random.chance(0.8), commit, base: 'base', checks: [] };
    case 'change.merge':
      return { merged: true, commit, target: 'main' };
    case 'change.discard':
      return { leftovers: [] };
    default:
      return { done: true };
  }
}
