import { describe, expect, it } from '@jest/globals';
import {
  DEFAULT_TENANT,
  reactionCommandId,
  STEP_OUTPUT_BYTES_MAX,
  StateUnavailable,
  workflowStream,
  type AnswerOf,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandSender,
  type EventId,
  type JsonObject,
  type Notice,
  type QueryAsker,
  type QueryType,
  type StepContext,
  type StepId,
  type StepKind,
  type WorkflowId,
} from '@taskmaster/contracts';
import { reactToRequirements } from './interpret.reactor.js';
import { OfflineInterpreter } from './offline-interpreter.js';

const DEMO = 'Create a REST API for user management with authentication, including login, registration, and password reset functionality';
const ACCEPTED: CommandAnswer = { outcome: 'accepted', stream: workflowStream('wf_1' as WorkflowId), version: 9, position: 90 };

/** A second implementation of the door: answers in the given order, the last one for ever. */
class ScriptedSender implements CommandSender {
  readonly sent: CommandEnvelope[] = [];
  readonly #answers: CommandAnswer[];
  constructor(...answers: CommandAnswer[]) {
    this.#answers = answers;
  }
  send(envelope: CommandEnvelope): Promise<CommandAnswer> {
    this.sent.push(envelope);
    return Promise.resolve((this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0]) ?? ACCEPTED);
  }
}

class OneContext implements QueryAsker {
  readonly #context: StepContext | null;
  constructor(context: Partial<StepContext> | null) {
    this.#context = context as StepContext | null;
  }
  ask<Q extends QueryType>(): Promise<AnswerOf<Q>> {
    return Promise.resolve(this.#context as AnswerOf<Q>);
  }
}

const notice = (kind: StepKind, input: JsonObject): Notice => ({
  eventId: '5d3a8f3e-8c44-5d0b-9a57-0a5f6f2a9b11' as EventId,
  position: 7,
  tenantId: DEFAULT_TENANT,
  workflowId: 'wf_1' as WorkflowId,
  stepId: 'tm-analyze-1' as StepId,
  attempt: 2,
  kind,
  input,
  correlationId: 'corr-1',
  traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
});
const ports = (sender: CommandSender, context: Partial<StepContext> | null = null) => ({
  sender,
  queries: new OneContext(context),
  interpreter: new OfflineInterpreter(() => 0),
  now: () => 0,
});
const outputOf = (envelope: CommandEnvelope | undefined): JsonObject =>
  envelope?.command.type === 'CompleteStep' ? envelope.command.data.output : {};
const errorOf = (envelope: CommandEnvelope | undefined) =>
  envelope?.command.type === 'FailStep' ? envelope.command.data.error : undefined;

describe('reactToRequirements', () => {
  it('completes a parse with items, metadata and what it cost, under ids derived from the notice', async () => {
    const sender = new ScriptedSender(ACCEPTED);
    const asked = notice('requirements.parse', { text: DEMO, context: {} });
    expect(await reactToRequirements(ports(sender), asked)).toEqual({ kind: 'answered' });
    const [envelope] = sender.sent;
    expect(envelope).toMatchObject({
      id: reactionCommandId(asked.eventId, 'CompleteStep'),
      stream: 'workflow-wf_1',
      tenantId: 'default',
      actor: { kind: 'service', id: 'nlp-service' },
      correlationId: 'corr-1',
      causationId: asked.eventId,
      traceparent: asked.traceparent,
      command: { type: 'CompleteStep', data: { stepId: 'tm-analyze-1', attempt: 2, by: 'nlp-service' } },
    });
    const output = outputOf(envelope);
    expect((output['items'] as { title: string }[]).map(({ title }) => title)).toContain('Implement password reset');
    expect(output['use']).toMatchObject({
      provider: 'offline',
      model: 'offline-rules-1',
      inputTokens: 0,
      outputTokens: 0,
      costUsd: 0,
      cached: false,
    });
  });

  it('sends exactly the same command for the same notice delivered twice', async () => {
    const sender = new ScriptedSender(ACCEPTED);
    const asked = notice('requirements.parse', { text: DEMO });
    await reactToRequirements(ports(sender), asked);
    await reactToRequirements(ports(sender), asked);
    expect(sender.sent[1]).toEqual(sender.sent[0]);
  });

  it('asks for the requirement when the notice is too small to carry it, and plans it', async () => {
    const parsing = new ScriptedSender(ACCEPTED);
    await reactToRequirements(ports(parsing, { requirement: DEMO }), notice('requirements.parse', {}));
    const { items, metadata } = outputOf(parsing.sent[0]);
    const planning = new ScriptedSender(ACCEPTED);
    await reactToRequirements(
      ports(planning, { requirement: DEMO }),
      notice('requirements.decompose', {
        items: items ?? [],
        metadata: metadata ?? {},
        hasRepository: true,
        enableAgentCoordination: true,
      }),
    );
    const plan = outputOf(planning.sent[0])['plan'] as unknown as { steps: { id: string; kind: string }[] };
    expect(plan.steps.length).toBeGreaterThanOrEqual(5);
    expect(plan.steps.every(({ kind }) => kind === 'agent.run')).toBe(true);
  });

  it('keeps the output of a long requirement inside the bound of a step', async () => {
    const long = Array.from(
      { length: 400 },
      (_, i) => `- Implement the feature called number ${String(i)} and "quoted ${'é'.repeat(60)}"`,
    ).join('\n');
    const sender = new ScriptedSender(ACCEPTED);
    await reactToRequirements(ports(sender), notice('requirements.parse', { text: long }));
    const output = outputOf(sender.sent[0]);
    expect(Buffer.byteLength(JSON.stringify(output))).toBeLessThanOrEqual(STEP_OUTPUT_BYTES_MAX);
    await reactToRequirements(
      ports(sender, { requirement: long }),
      notice('requirements.decompose', { items: output['items'] ?? [], metadata: output['metadata'] ?? {} }),
    );
    expect(sender.sent[1]?.command.type).toBe('CompleteStep');
  });

  it('fails the step with a validation error that says what an empty requirement lacks', async () => {
    const sender = new ScriptedSender(ACCEPTED);
    await reactToRequirements(ports(sender), notice('requirements.parse', { text: '   ' }));
    expect(errorOf(sender.sent[0])).toMatchObject({ type: 'validation', retryable: false, detail: { reason: 'empty' } });
    expect(sender.sent[0]?.id).toBe(reactionCommandId('5d3a8f3e-8c44-5d0b-9a57-0a5f6f2a9b11', 'FailStep'));
  });

  it('turns a refused completion into a failed step of type validation', async () => {
    const sender = new ScriptedSender({ outcome: 'rejected', code: 'plan-cycle', detail: 'a and b wait for each other' }, ACCEPTED);
    expect(await reactToRequirements(ports(sender), notice('requirements.parse', { text: DEMO }))).toEqual({ kind: 'answered' });
    expect(sender.sent.map(({ command }) => command.type)).toEqual(['CompleteStep', 'FailStep']);
    expect(errorOf(sender.sent[1])).toMatchObject({ type: 'validation', retryable: false, detail: { code: 'plan-cycle' } });
  });

  it.each([
    [{ outcome: 'noop', detail: 'cancelled' }, { kind: 'answered' }],
    [{ outcome: 'duplicate', first: null }, { kind: 'answered' }],
    [
      { outcome: 'later', detail: 'full', retryAfterMs: 750 },
      { kind: 'later', afterMs: 750 },
    ],
  ] as const)('maps the answer %j to %j', async (answer, outcome) => {
    expect(await reactToRequirements(ports(new ScriptedSender(answer)), notice('requirements.parse', { text: DEMO }))).toEqual(outcome);
  });

  it('lets a fault of the door through, so that the notice stays open', async () => {
    const sender: CommandSender = { send: () => Promise.reject(new StateUnavailable('no answer')) };
    await expect(reactToRequirements(ports(sender), notice('requirements.parse', { text: DEMO }))).rejects.toBeInstanceOf(StateUnavailable);
  });

  it('writes instructions and checks completion', async () => {
    const sender = new ScriptedSender(ACCEPTED);
    await reactToRequirements(
      ports(sender, { requirement: DEMO }),
      notice('requirements.instruct', { title: 'Implement login', acceptanceCriteria: ['Tests cover it.'] }),
    );
    await reactToRequirements(
      ports(sender),
      notice('requirements.check', {
        title: 'Implement login',
        acceptanceCriteria: ['Tests cover it.'],
        result: { summary: 'all done, trust me' },
      }),
    );
    expect(outputOf(sender.sent[0])['instructions']).toContain('## What not to do');
    expect(outputOf(sender.sent[1])['check']).toMatchObject({
      complete: false,
      unproven: ['A change for "Implement login" exists.', 'Tests cover it.'],
    });
  });

  it('fails a step of a kind it does not do', async () => {
    const sender = new ScriptedSender(ACCEPTED);
    await reactToRequirements(ports(sender), notice('command.run', { builtin: 'noop' }));
    expect(errorOf(sender.sent[0])).toMatchObject({ type: 'validation', message: 'nlp-service does not do command.run.' });
  });
});
