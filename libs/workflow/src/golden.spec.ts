import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { schemaVersionOf, type DomainEvent, type EventType, type Fact, type StreamCategory } from '@taskmaster/contracts';
import { deciderOf, upcast } from './index.js';

const folder = new URL('../../contracts/golden/', import.meta.url);

interface Golden {
  readonly schemaVersion: number;
  readonly facts: readonly Fact[];
}

const goldens = readdirSync(folder)
  .sort()
  .map((name): [string, Golden] => [name, JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Golden]);

const EVENT_TYPES: readonly EventType[] = [
  'WorkflowRequested',
  'WorkflowAdmitted',
  'WorkflowTransitioned',
  'WorkflowPaused',
  'WorkflowResumed',
  'WorkflowCancellationRequested',
  'WorkflowEnded',
  'RequirementsParsed',
  'PlanAdopted',
  'PlanAmended',
  'PullRequestOpened',
  'PullRequestMerged',
  'PullRequestClosed',
  'ValidationRecorded',
  'EscalationRaised',
  'EscalationResolved',
  'StepReadied',
  'StepAssigned',
  'StepStarted',
  'StepProgressed',
  'StepSucceeded',
  'StepFailed',
  'StepRetryScheduled',
  'StepSkipped',
  'StepCancelled',
  'AgentRegistered',
  'AgentRevised',
  'AgentBecameAvailable',
  'AgentBecameUnavailable',
  'ApiKeyIssued',
  'ApiKeyRevoked',
];

describe('every event version ever published', () => {
  it.each(goldens)('folds to the same state for ever: %s', (name, golden) => {
    const decider = deciderOf(name.split('-')[0]?.split('.')[0] as StreamCategory);
    let state = decider.initial;
    for (const fact of golden.facts) {
      const data = upcast(fact.type, golden.schemaVersion, fact.data);
      state = decider.evolve(state, { ...fact, data } as Fact<DomainEvent>);
    }
    expect(state).toMatchSnapshot();
  });

  it('has an example of each', () => {
    const seen = new Set(goldens.flatMap(([, golden]) => golden.facts.map((fact) => `${fact.type} v${String(golden.schemaVersion)}`)));
    const wanted = EVENT_TYPES.map((type) => `${type} v${String(schemaVersionOf(type))}`);
    expect(wanted.filter((name) => !seen.has(name))).toEqual([]);
  });
});
