/** A change of one source file: the text is found exactly once. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  readonly text: string;
  readonly replacement: string;
}

/** Something that keeps a promise, how to take it away, and the test that must notice. */
export interface Safeguard {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly spec: string;
  readonly title: string;
  /** Where the test is written, when that is not the spec: a contract that several specs run. */
  readonly titleIn?: string;
  /** What the failure says when the test fails for this reason and for no other. */
  readonly because: RegExp;
}

const edit = (file: string, text: string, replacement: string): Edit => ({ file, text, replacement });

const PUBLISHER = 'libs/messaging/src/fenced-publisher.ts';
const APPEND = 'libs/event-log/migrations/000002_append_batch.sql';
const APPEND_EXPECTED = 'libs/event-log/migrations/000006_append_expected.sql';

const CONTRACT = 'libs/event-log/src/store.contract.ts';

export const SAFEGUARDS: readonly Safeguard[] = [
  {
    name: 'the fence: every publish names the last sequence it follows',
    edits: [edit(PUBLISHER, 'head.set(EXPECTED_LAST_SEQUENCE, String(this.#sequence));', '')],
    spec: 'libs/messaging/src/work-stream.int.spec.ts',
    title: 'refuses a leader that wakes up after another took over, whatever it still wants to say',
    because: /wrong last msg ID/,
  },
  {
    name: 'the fence: every publish names the stream of its epoch',
    edits: [edit(PUBLISHER, 'head.set(EXPECTED_STREAM, this.#stream);', '')],
    spec: 'libs/messaging/src/work-stream-loss.int.spec.ts',
    title: 'is refused by a wiped and refilled stream that has reached exactly the sequence it expects',
    because: /\+\s+4,/,
  },
  {
    name: 'an epoch that the log does not know is refused',
    edits: [edit('libs/messaging/src/work-stream.ts', 'await this.#refuseUnknownEpochs(from);', '')],
    spec: 'libs/messaging/src/work-stream-loss.int.spec.ts',
    title: 'is told by a stream of an epoch that it does not know, which is left as it is',
    because: /Received promise resolved instead of rejected/,
  },
  {
    name: 'a leader resumes after the last message of the stream, not after what it remembers',
    edits: [
      edit(
        'libs/messaging/src/stream-inspection.ts',
        "return upto < evidence.acknowledgedUpto ? lost('tail-lost') : { kind: 'intact', sequence, upto, uptoEvent };",
        "return { kind: 'intact', sequence, upto: evidence.head, uptoEvent };",
      ),
    ],
    spec: 'libs/messaging/src/work-stream.int.spec.ts',
    title: 'resumes after the last message, also when the leader died between the parts of a read',
    because: /"resumeAfter": 60/,
  },
  {
    name: 'the stream names the event that it covers the log up to',
    edits: [edit('libs/messaging/src/stream-inspection.ts', 'await compareEvents(evidence, upto, uptoEvent);', '')],
    spec: 'libs/messaging/src/work-stream.int.spec.ts',
    title: 'stops when the log went backwards and has grown past its former end, which a message closed',
    because: /Received promise resolved instead of rejected/,
  },
  {
    name: 'no stream is begun twice under one name',
    edits: [
      edit(
        'libs/messaging/src/work-stream.ts',
        "if (found.upto === 0 && head > 0) return await this.#startEpoch(record.epoch, source, 'no-marker');",
        '',
      ),
      edit(
        'libs/messaging/src/work-stream.ts',
        'return { epoch: record.epoch, resumeAfter: found.upto };',
        "return found.upto === 0 && head > 0 ? await this.#redrive(source, 'no-marker') : { epoch: record.epoch, resumeAfter: found.upto };",
      ),
    ],
    spec: 'libs/messaging/src/work-stream-loss.int.spec.ts',
    title:
      'gets a new epoch when its marker never came, because a late answer to what stood there before would be one to what stands there now',
    because: /no message after the positions/,
  },
  {
    name: 'a new epoch tells of all open work again',
    edits: [
      edit('libs/messaging/src/work-stream.ts', 'for (const message of packNotices(notices)) await publisher.publish(message, 0);', ''),
    ],
    spec: 'libs/messaging/src/work-stream.int.spec.ts',
    title: 'starts a new epoch with all open work when the disk is wiped, and says so on the idle check',
    because: /\+ Array \[\]/,
  },
  {
    name: 'a message is acknowledged after its notices are answered',
    edits: [
      edit('libs/messaging/src/notice-work.ts', 'const notices = parse(message);', 'message.ack();\n    const notices = parse(message);'),
    ],
    spec: 'libs/messaging/src/nats-strategy.int.spec.ts',
    title: 'acknowledges a message only when each of its notices is answered',
    because: /Expected: < 2\s+Received:\s+\d/,
  },
  {
    name: 'the sweep looks for what is due',
    edits: [
      edit(
        'apps/state-service/src/sweeper.ts',
        'const due = await this.options.openWork.dueSteps({ ready: this.options.publishes() });',
        'const due: readonly DueStep[] = [];',
      ),
    ],
    spec: 'apps/state-service/src/open-work.int.spec.ts',
    title: 'finds an attempt whose lease ran out, and has it tried again at once, uncounted',
    because: /5 events of the step did not happen/,
  },
  {
    name: 'a start is answered held to whoever is not the holder',
    edits: [
      edit(
        'libs/workflow/src/decide-step.ts',
        "return situation.holder === data.holder ? { kind: 'duplicate' } : { kind: 'held', holder: situation.holder };",
        "return { kind: 'duplicate' };",
      ),
    ],
    spec: 'apps/state-service/src/attempt-holders.int.spec.ts',
    title: 'at two replicas at once has one of them, and the other is told which',
    because: /\+\s+"outcome": "duplicate"/,
  },
  {
    name: 'only the holder of an attempt may settle it',
    edits: [
      edit(
        'libs/workflow/src/decide-step.ts',
        "return situation.holder === by ? undefined : 'another holder has this attempt';",
        'return undefined;',
      ),
    ],
    spec: 'libs/workflow/src/decide-step.spec.ts',
    title: 'ignores a result from whoever does not hold the attempt',
    because: /Received: "accepted"/,
  },
  {
    name: 'a merge that has started can no longer be cancelled',
    edits: [
      edit(
        'libs/workflow/src/decide.ts',
        "if (isMerging(w)) return reject('workflow-merging', 'the change is being merged; it can no longer be cancelled', allowed(w));",
        '',
      ),
    ],
    spec: 'apps/state-service/src/cancel-against-merge.int.spec.ts',
    title: 'loses against a merge that starts at the same moment when that is recorded first',
    because: /-\s+"code": "workflow-merging"/,
  },
  {
    name: 'pausing stops the timers of retries',
    edits: [edit('libs/workflow/src/rows.ts', 'return still ? null : situation.retryAt;', 'return situation.retryAt;')],
    spec: 'apps/state-service/src/pause-against-retry.int.spec.ts',
    title: 'stops its timer when it is recorded first; resuming starts it again, and the step is readied once',
    because: /Expected: 0\s+Received: 1/,
  },
  {
    name: 'the cache is advanced by what was committed only',
    edits: [
      edit(
        'apps/state-service/src/handle-command.ts',
        'const outcome = await this.options.store.append(',
        'for (const { after } of decided) this.loader.keep(after);\n    const outcome = await this.options.store.append(',
      ),
    ],
    spec: 'apps/state-service/src/attempt-holders.int.spec.ts',
    title: 'at two replicas at once has one of them, and the other is told which',
    because: /\+\s+"outcome": "duplicate"/,
  },
  {
    name: 'ids of client commands are derived from tenant and key',
    edits: [
      edit(
        'libs/contracts/src/ids.ts',
        "deriveUuid('client', tenant, idempotencyKey) as CommandId;",
        "deriveUuid('client', tenant, idempotencyKey, String(performance.now())) as CommandId;",
      ),
    ],
    spec: 'apps/gateway/src/workflows.spec.ts',
    title: 'replays the same key and body with the same id and refuses another body',
    because: /Received: "wf_/,
  },
  {
    name: 'a key that comes again is held against what was asked the first time',
    edits: [edit('apps/state-service/src/handle-command.ts', 'askedThen !== asked || ', '')],
    spec: 'apps/state-service/src/handle-command.int.spec.ts',
    title: 'refuses a key that was used for another request, also while that is in flight',
    because: /"outcome": "duplicate"/,
  },
  {
    name: 'answers are stored in the order of their commands',
    edits: [edit('libs/event-log/src/append-expected.ts', 'rows.sort(([a], [b]) => (a < b ? -1 : 1))', 'rows')],
    spec: 'libs/event-log/src/append-expected.int.spec.ts',
    title: 'takes client commands in the order of their ids, whatever their streams are called',
    because: /canceling statement due to lock timeout/,
  },
  {
    name: 'of several starts that do not all fit, some are tried again',
    edits: [
      edit(
        'apps/state-service/src/handle-command.ts',
        'for (const pending of starts.slice(Math.floor(starts.length / 2))) pending.agentTaken = true;',
        'for (const pending of starts) pending.agentTaken = true;',
      ),
    ],
    spec: 'apps/state-service/src/handle-command.int.spec.ts',
    title: 'gets some of the starts that come together when there is no room for all of them',
    because: /-\s+"accepted",\n\+\s+"later"/,
  },
  {
    name: 'an append expects the version that was decided on',
    edits: [
      edit(APPEND_EXPECTED, 'where s.id = a.id and s.version = a.expected and', 'where s.id = a.id and'),
      edit(APPEND, 'when s.version = g.expected then 0', 'when s.version >= g.expected then 0'),
    ],
    spec: 'libs/event-log/src/append.int.spec.ts',
    title: 'answers conflict to the stale group and appends the others',
    titleIn: CONTRACT,
    because: /-\s+"conflict",\n\+\s+"failed"/,
  },
  {
    name: 'a client command is claimed once',
    edits: [edit(APPEND_EXPECTED, 'from unnest(p_answers) a;', 'from unnest(p_answers) a on conflict (id) do nothing;')],
    spec: 'libs/event-log/src/append.int.spec.ts',
    title: 'replays the stored answer of a client command and appends nothing for it',
    titleIn: CONTRACT,
    because: /\+\s+"kind": "appended"/,
  },
  {
    name: 'a quota is claimed only while it has room',
    edits: [
      edit(APPEND_EXPECTED, 'and (d.claims = 0 or r.used - d.releases + d.claims <= d.least)', ''),
      edit(APPEND_EXPECTED, 'and (d.direct = 0 or r.waiting = 0)', ''),
    ],
    spec: 'apps/state-service/src/last-slot.int.spec.ts',
    title: 'is taken by one of two workflows that two replicas start at once, and the other waits for it',
    because: /-\s+false,\n\+\s+true,/,
  },
  {
    name: 'a child runs in the slot of its root',
    edits: [
      edit('libs/workflow/src/quota.ts', 'after.request.parent === undefined ?', 'true ?'),
      edit('libs/workflow/src/decide.ts', 'const isChild = workflow.request.parent !== undefined;', 'const isChild = false;'),
    ],
    spec: 'apps/state-service/src/children.int.spec.ts',
    title: 'go on, because children run in the slot of their root, and whoever waits for a slot gets the first that is given back',
    because: /the end of the workflows did not happen/,
  },
  {
    name: 'no parent ends before its children',
    edits: [edit('libs/workflow/src/advance.ts', 'if (openSteps(w.steps).some(isChildRunning)) return [];', '')],
    spec: 'apps/state-service/src/children.int.spec.ts',
    title: 'waits for a child that is past its point of no return',
    because: /Expected: false/,
  },
  {
    name: 'a child that nobody asked for yet is asked for before it is cancelled',
    edits: [
      edit(
        'libs/workflow/src/children.ts',
        "if (child.status === 'absent')",
        "if (child.status === 'absent' && isLeaving(parent)) return refuseChild(of, parent, 'there is none');\n  if (child.status === 'absent')",
      ),
    ],
    spec: 'libs/workflow/src/children.spec.ts',
    title: 'asks for a child that nobody asked for yet before it cancels it, because somebody may be about to',
    because: /"RequestWorkflow"/,
  },
];
