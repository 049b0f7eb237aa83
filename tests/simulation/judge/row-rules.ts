import { stepRows, workflowRow, type Workflow } from '@taskmaster/workflow';
import { agentQuotaKey, tenantQuotaKey } from '@taskmaster/event-log';
import type { Tables } from '@taskmaster/event-log/in-memory';
import { absentEntry, foldInto } from '@taskmaster/state-service';

/** Told of a broken rule by its name: I and a number for an invariant of docs/architecture.md. */
type Break = (rule: string, what: string) => void;

/** I5 and the quotas: every row is what folding its stream gives, lease columns aside, and every quota counts who holds a place. */
export function checkRows(tables: Tables, broken: Break): void {
  const places: Places = { used: new Map(), waiting: new Map() };
  for (const [stream, events] of tables.eventsOf) {
    const entry = foldInto(absentEntry(stream), events);
    if (entry.category !== 'workflow') continue;
    const state = entry.state as Workflow;
    compare(tables, entry.stream, state, broken);
    countPlaces(places, entry.tenantId ?? '', state);
  }
  for (const { key, used, waiting } of tables.quotas.values()) {
    const [wantedUsed, wantedWaiting] = [places.used.get(key) ?? 0, places.waiting.get(key) ?? 0];
    if (used !== wantedUsed || waiting !== wantedWaiting)
      broken(
        'I9',
        `quota ${key} counts ${String(used)} and ${String(waiting)} waiting, there are ${String(wantedUsed)} and ${String(wantedWaiting)}`,
      );
  }
}

interface Places {
  readonly used: Map<string, number>;
  readonly waiting: Map<string, number>;
}

const count = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

/** The places that one workflow holds and waits for. */
function countPlaces({ used, waiting }: Places, tenantId: string, state: Workflow): void {
  if (state.status === 'absent') return;
  // A child runs in the slot of its root.
  const isRoot = state.request.parent === undefined;
  if (isRoot && state.slot === 'held') count(used, tenantQuotaKey(tenantId));
  if (isRoot && state.slot === 'queued') count(waiting, tenantQuotaKey(tenantId));
  for (const { status, agentId } of stepRows({ status: 'absent' }, state))
    if (status === 'running' && agentId !== null) count(used, agentQuotaKey(tenantId, agentId));
}

function compare(tables: Tables, stream: Tables['events'][number]['stream'], state: Workflow, broken: Break): void {
  const { stream: _stream, tenantId: _tenant, ...row } = tables.workflows.get(stream) ?? {};
  const folded = workflowRow(state);
  if (JSON.stringify(sorted(row)) !== JSON.stringify(sorted(folded ?? {}))) broken('I5', `${stream}: its row differs from its fold`);
  for (const step of stepRows({ status: 'absent' }, state)) {
    const found = tables.steps.get(`${stream} ${step.stepId}`);
    const same =
      found !== undefined &&
      (['status', 'attempt', 'readyVersion', 'holder', 'agentId', 'leaseMs', 'deadlineAt'] as const).every(
        (column) => found[column] === step[column],
      );
    if (!same) broken('I5', `${stream}: the row of step ${step.stepId} differs from the fold`);
  }
}

const sorted = (row: object): object => Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
