import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DELEGATION_POLICIES, PRIORITIES, type AgentId, type AgentNeeds, type AgentProfile, type AgentView } from '@taskmaster/contracts';
import { chooseAgent, DELEGATION_POINTS, SCORE_SHEET_LINES_MAX, type Delegation, type DelegationOptions } from './delegation.js';

const id = (text: string): AgentId => text as AgentId;

const profile: AgentProfile = {
  name: 'An agent',
  type: 'claude-code',
  driver: 'agentapi',
  endpoint: 'http://127.0.0.1:1',
  simulated: false,
  roles: [],
  capabilities: {},
  languages: [],
  specialisations: [],
  maxConcurrent: 2,
};

type Parts = Partial<Omit<AgentView, 'id' | 'profile'>> & { readonly profile?: Partial<AgentProfile> };

const agent = (name: string, parts: Parts = {}): AgentView => ({
  available: true,
  detail: '',
  running: 0,
  succeeded: 0,
  failed: 0,
  ...parts,
  id: id(name),
  profile: { ...profile, name, ...parts.profile },
});

const simulated = (name: string, parts: Parts = {}): AgentView =>
  agent(name, { ...parts, profile: { type: 'custom', simulated: true, ...parts.profile } });

const options: DelegationOptions = { excluded: [], priority: 'medium', onCriticalPath: false, policy: 'auto' };

const chosen = (needs: AgentNeeds, candidates: readonly AgentView[], more: Partial<DelegationOptions> = {}): string => {
  const answer = chooseAgent(needs, candidates, { ...options, ...more });
  return answer.kind === 'chosen' ? answer.assignment.agentId : `none: ${answer.reason}`;
};

const pointsOf = (needs: AgentNeeds, one: AgentView, more: Partial<DelegationOptions> = {}): Readonly<Record<string, number>> => {
  const answer = chooseAgent(needs, [one], { ...options, priority: 'low', ...more });
  const scores = answer.kind === 'chosen' ? answer.assignment.scores : answer.scores;
  return scores[0]?.points ?? {};
};

describe('the points of an agent', () => {
  const cases: readonly (readonly [string, AgentNeeds, Parts, readonly [string, number]])[] = [
    ['role is full for a match', { role: 'tester' }, { profile: { roles: ['Tester'] } }, ['role', 40]],
    ['role is a quarter for a generalist', { role: 'tester' }, {}, ['role', 10]],
    ['role is nothing for somebody else', { role: 'tester' }, { profile: { roles: ['backend_developer'] } }, ['role', 0]],
    [
      'capability is twenty each, by proficiency',
      { capabilities: ['api', 'sql'] },
      { profile: { capabilities: { api: 1, SQL: 0.5 } } },
      ['capability', 30],
    ],
    [
      'capability counts a repeated need once',
      { capabilities: ['api', 'API'] },
      { profile: { capabilities: { api: 1 } } },
      ['capability', 20],
    ],
    [
      'capability bounds a proficiency that is out of range',
      { capabilities: ['api'] },
      { profile: { capabilities: { api: 7 } } },
      ['capability', 20],
    ],
    ['language is thirty', { languages: ['python'] }, { profile: { languages: ['Python', 'go'] } }, ['language', 30]],
    ['language is the share that is known', { languages: ['python', 'rust'] }, { profile: { languages: ['python'] } }, ['language', 15]],
    [
      'specialisation is twenty-five',
      { specialisations: ['python_fastapi'] },
      { profile: { specialisations: ['python_fastapi'] } },
      ['specialisation', 25],
    ],
    ['nothing is given for what nobody needs', {}, { profile: { languages: ['go'], capabilities: { api: 1 } } }, ['language', 0]],
    ['load is full for an idle agent', {}, {}, ['load', 15]],
    ['load falls with every attempt it holds', {}, { running: 1 }, ['load', 7.5]],
    ['success starts in the middle', {}, {}, ['success', 7.5]],
    ['success follows what was done', {}, { succeeded: 8, failed: 0 }, ['success', 13.5]],
    ['cost is half where it is unknown', {}, {}, ['cost', 5]],
    ['cost is full for a free agent', {}, { profile: { costUsd: 0 } }, ['cost', 10]],
    ['cost falls with the price', {}, { profile: { costUsd: 4 } }, ['cost', 2]],
  ];
  it.each(cases)('%s', (_title, needs, parts, [criterion, expected]) => {
    expect(pointsOf(needs, agent('a', parts))[criterion]).toBe(expected);
  });

  it('never counts what a simulated agent did as success', () => {
    expect(pointsOf({}, simulated('s', { succeeded: 1000 }))['success']).toBe(0);
  });

  it('names every criterion on every line of the sheet', () => {
    expect(Object.keys(pointsOf({}, agent('a'))).sort()).toEqual(Object.keys(DELEGATION_POINTS).sort());
  });
});

describe('chooseAgent', () => {
  it('prefers the specialist to the generalist', () => {
    const needs: AgentNeeds = { role: 'backend_developer', specialisations: ['python_fastapi'] };
    const generalist = agent('a', { succeeded: 50 });
    const specialist = agent('b', { profile: { roles: ['backend_developer'], specialisations: ['python_fastapi'] } });
    expect(chosen(needs, [generalist, specialist])).toBe('b');
  });

  it('prefers the idle one of two equals', () => {
    expect(chosen({}, [agent('a', { running: 1 }), agent('b')])).toBe('b');
  });

  it('prefers the proven one of two equals', () => {
    expect(chosen({}, [agent('a', { failed: 5 }), agent('b', { succeeded: 5 })])).toBe('b');
  });

  it('gives a tie to the smaller id', () => {
    expect(chosen({}, [agent('b'), agent('a'), agent('c')])).toBe('a');
  });

  it('takes a cheap agent for unimportant work and the stronger one when it is urgent', () => {
    const needs: AgentNeeds = { capabilities: ['api'] };
    const cheap = agent('cheap', { profile: { capabilities: { api: 0.7 }, costUsd: 0 } });
    const strong = agent('strong', { profile: { capabilities: { api: 1 }, costUsd: 9 } });
    expect(chosen(needs, [cheap, strong], { priority: 'low' })).toBe('cheap');
    expect(chosen(needs, [cheap, strong], { priority: 'critical' })).toBe('strong');
    expect(chosen(needs, [cheap, strong], { priority: 'high', onCriticalPath: true })).toBe('strong');
  });

  it('considers only the agent or the type that the step asks for', () => {
    const both = [agent('a', { succeeded: 9 }), agent('b', { profile: { type: 'aider' } })];
    expect(chosen({ agentId: 'b' }, both)).toBe('b');
    expect(chosen({ agentType: 'Aider' }, both)).toBe('b');
    expect(chosen({ agentType: 'goose' }, both)).toBe('none: No agent can take it (another type of agent is asked for: 2).');
  });

  it('uses a simulated agent when no real one is registered', () => {
    expect(chosen({}, [simulated('s')])).toBe('s');
  });

  it('prefers a real agent to a simulated one that fits better', () => {
    const twin = simulated('s', { profile: { roles: ['tester'], languages: ['go'] } });
    expect(chosen({ role: 'tester', languages: ['go'] }, [twin, agent('real')])).toBe('real');
  });

  it('waits for a busy real agent instead of simulating its work', () => {
    const answer = chooseAgent({}, [simulated('s'), agent('real', { running: 2 })], options);
    expect(answer).toMatchObject({ kind: 'none', busy: true });
    expect(answer.kind === 'none' && answer.reason).toBe('No agent can take it (full: 1; simulated, and a real agent is registered: 1).');
  });

  it.each<readonly [string, AgentNeeds]>([
    ['capability', { capabilities: ['Simulated'] }],
    ['specialisation', { specialisations: ['simulated'] }],
    ['id', { agentId: 's' }],
  ])('uses the simulated agent when a step asks for it by %s', (_by, needs) => {
    expect(chosen(needs, [agent('real', { succeeded: 99 }), simulated('s')])).toBe('s');
  });

  it('says that nobody is registered', () => {
    expect(chosen({}, [])).toBe('none: No agent is registered.');
  });

  it('says of each agent why it cannot be chosen, and whether waiting helps', () => {
    const answer = chooseAgent({}, [agent('a', { available: false }), agent('b'), agent('c', { running: 2 })], {
      ...options,
      excluded: [id('b')],
    });
    expect(answer).toMatchObject({
      kind: 'none',
      busy: true,
      reason: 'No agent can take it (failed this step before: 1; unavailable: 1; full: 1).',
    });
    expect(answer.kind === 'none' && answer.scores.map((score) => score.excluded)).toEqual([
      'failed this step before',
      'unavailable',
      'full',
    ]);
    expect(chooseAgent({}, [agent('a', { available: false })], options)).toMatchObject({ busy: false });
  });

  it('explains its choice in one plain sentence', () => {
    const reason = (candidates: readonly AgentView[], needs: AgentNeeds = {}): string => {
      const answer = chooseAgent(needs, candidates, options);
      return answer.kind === 'chosen' ? answer.assignment.reason : '';
    };
    const go = agent('Ada', { profile: { languages: ['go'] } });
    expect(reason([go], { languages: ['go'] })).toBe(
      'Ada is the only agent that can take it, with 68.13 points (language 30, load 15, availability 10).',
    );
    expect(reason([go, agent('Bob')], { languages: ['go'] })).toBe(
      'Ada has the most, 68.13 points (language 30, load 15, availability 10), 30 more than Bob.',
    );
    expect(reason([agent('Ada'), agent('Bob')])).toBe(
      'Ada has 38.13 points (load 15, availability 10, success 9.38), as many as Bob, and the smaller id.',
    );
    expect(reason([simulated('Twin')])).toContain('Twin (SIMULATED) is the only agent');
  });

  it('stores policy, name, type and whether it is simulated in the assignment', () => {
    const answer = chooseAgent({}, [simulated('s')], { ...options, policy: 'pm_approval' });
    expect(answer).toMatchObject({
      kind: 'chosen',
      assignment: { agentId: 's', agentName: 's', agentType: 'custom', simulated: true, policy: 'pm_approval' },
    });
  });

  it('keeps the best lines of a long sheet', () => {
    const many = Array.from({ length: 60 }, (_, index) =>
      agent(`a${String(index).padStart(2, '0')}`, { profile: { costUsd: 60 - index } }),
    );
    const answer = chooseAgent({}, many, options);
    const scores = answer.kind === 'chosen' ? answer.assignment.scores : [];
    expect(scores).toHaveLength(SCORE_SHEET_LINES_MAX);
    expect(scores[0]?.agentId).toBe('a59');
  });
});

const NAMES = ['api', 'sql', 'go', 'python', 'tester', 'simulated'];
const names = fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 });
const anyAgent = fc
  .record({
    id: fc.integer({ min: 0, max: 40 }),
    simulated: fc.boolean(),
    available: fc.boolean(),
    running: fc.integer({ min: 0, max: 4 }),
    maxConcurrent: fc.integer({ min: 1, max: 3 }),
    succeeded: fc.nat({ max: 50 }),
    failed: fc.nat({ max: 50 }),
    capabilities: fc.dictionary(fc.constantFrom(...NAMES), fc.double({ min: 0, max: 1, noNaN: true })),
    languages: names,
    roles: names,
    type: fc.constantFrom('aider', 'custom'),
    costUsd: fc.option(fc.double({ min: 0, max: 50, noNaN: true }), { nil: undefined }),
  })
  .map((it) => {
    const { simulated: twin, maxConcurrent, capabilities, languages, roles, type, costUsd, available, running, succeeded, failed } = it;
    const cost = costUsd === undefined ? {} : { costUsd };
    return agent(`agent-${String(it.id)}`, {
      available,
      running,
      succeeded,
      failed,
      profile: { simulated: twin, maxConcurrent, capabilities, languages, roles, type, ...cost },
    });
  });
const candidatesOf = fc.uniqueArray(anyAgent, { maxLength: 12, selector: (it) => it.id });
const needsOf: fc.Arbitrary<AgentNeeds> = fc.record(
  { capabilities: names, languages: names, role: fc.constantFrom(...NAMES) },
  { requiredKeys: [] },
);
const optionsOf: fc.Arbitrary<DelegationOptions> = fc.record({
  excluded: fc.array(
    fc.integer({ min: 0, max: 40 }).map((n) => id(`agent-${String(n)}`)),
    { maxLength: 4 },
  ),
  priority: fc.constantFrom(...PRIORITIES),
  onCriticalPath: fc.boolean(),
  policy: fc.constantFrom(...DELEGATION_POLICIES),
});
const situation = fc.record({ needs: needsOf, candidates: candidatesOf, options: optionsOf });
const asks = (needs: AgentNeeds): boolean => (needs.capabilities ?? []).includes('simulated');

const check = (
  property: (answer: Delegation, it: { needs: AgentNeeds; candidates: readonly AgentView[]; options: DelegationOptions }) => boolean,
): void => {
  fc.assert(
    fc.property(situation, (it) => property(chooseAgent(it.needs, it.candidates, it.options), it)),
    { numRuns: 400 },
  );
};

describe('chooseAgent, for any situation', () => {
  it('answers the same whatever the order of the candidates', () => {
    fc.assert(
      fc.property(situation, fc.infiniteStream(fc.nat()), (it, order) => {
        const shuffled = it.candidates.map((one) => ({ one, at: order.next().value ?? 0 })).sort((a, b) => a.at - b.at);
        expect(
          chooseAgent(
            it.needs,
            shuffled.map(({ one }) => one),
            it.options,
          ),
        ).toEqual(chooseAgent(it.needs, it.candidates, it.options));
      }),
      { numRuns: 400 },
    );
  });

  it('never picks an agent that is excluded, full or unavailable', () => {
    check((answer, { candidates, options: by }) => {
      if (answer.kind === 'none') return true;
      const one = candidates.find((it) => it.id === answer.assignment.agentId);
      return one !== undefined && one.available && one.running < one.profile.maxConcurrent && !by.excluded.includes(one.id);
    });
  });

  it('never simulates work that a registered real agent could be asked to do', () => {
    check(
      (answer, { candidates, needs }) =>
        answer.kind === 'none' || !answer.assignment.simulated || asks(needs) || candidates.every((it) => it.profile.simulated),
    );
  });

  it('finds somebody whenever a real agent is free', () => {
    check((answer, { candidates, options: by }) => {
      const free = candidates.some(
        (it) => !it.profile.simulated && it.available && it.running < it.profile.maxConcurrent && !by.excluded.includes(it.id),
      );
      return !free || answer.kind === 'chosen';
    });
  });

  it('keeps a sheet whose totals are the sums of their points', () => {
    check((answer) => {
      const scores = answer.kind === 'chosen' ? answer.assignment.scores : answer.scores;
      return scores.every((line) => Math.abs(line.total - Object.values(line.points).reduce((sum, value) => sum + value, 0)) < 0.01);
    });
  });
});
