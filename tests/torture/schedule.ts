import { seededRandom, type SeededRandom } from '@taskmaster/testing';

/** Everything that a torture run does to a platform, beside what its clients ask for. */
export const FAULT_KINDS = ['kill', 'pause', 'pause-leader', 'postgres-stop', 'nats-kill', 'nats-wipe', 'nats-rollback', 'forget'] as const;
/** Where the broker is a cluster. */
export const CLUSTER_FAULT_KINDS = [...FAULT_KINDS, 'nats-partition'] as const;
export type FaultKind = (typeof CLUSTER_FAULT_KINDS)[number];

/** Processes of which any may be killed or paused; two of each where the platform runs two. */
export const TARGETS = [
  'gateway',
  'gateway-2',
  'state-service',
  'state-service-2',
  'nlp-service',
  'nlp-service-2',
  'agent-coordinator',
  'agent-coordinator-2',
  'simulated-agent',
] as const;
/** The same where state-service and agent-coordinator are one process. */
export const TARGETS_TOGETHER = ['gateway', 'gateway-2', 'engine', 'engine-2', 'nlp-service', 'nlp-service-2', 'simulated-agent'] as const;
export type Target = (typeof TARGETS)[number] | (typeof TARGETS_TOGETHER)[number] | 'NATS';

/** What a schedule may do, and to what. */
export interface Scope {
  readonly kinds?: readonly FaultKind[];
  readonly together?: boolean;
}

export type Fault =
  | { readonly kind: 'kill'; readonly target: Target }
  | { readonly kind: 'pause'; readonly target: Target; readonly forMs: number }
  /** The leading state-service sleeps, and its lock with it or not: without it, another leads meanwhile. */
  | { readonly kind: 'pause-leader'; readonly forMs: number; readonly losesLock: boolean }
  | { readonly kind: 'postgres-stop' }
  | { readonly kind: 'nats-kill' }
  | { readonly kind: 'nats-wipe' }
  /** A node of the broker hears nothing from the others, and they nothing from it; clients reach all of them. */
  | { readonly kind: 'nats-partition'; readonly forMs: number }
  /** The broker comes back on the copy of its disk that was taken so many copies ago. */
  | { readonly kind: 'nats-rollback'; readonly copiesAgo: number }
  /** A worker takes work and says nothing about it, or says that it is done without doing it. */
  | { readonly kind: 'forget'; readonly messages: number; readonly acknowledges: boolean };

/** One entry of a schedule; a `copy` of the broker's disk is what a later rollback goes back to. */
export type Entry = { readonly atMs: number } & (Fault | { readonly kind: 'copy' });

/** Longer than the leases of a torture run, and than what makes a leader or a broker seem dead. */
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 8_000;
/** Long enough for the others to choose another leader, and for the one that is cut off to notice. */
const PARTITION_MS_MIN = 2_000;
const PARTITION_MS_MAX = 15_000;
const GAP_MS_MIN = 300;
const GAP_MS_MAX = 3_500;
const COPY_EVERY_MS = 6_000;
const FIRST_COPY_MS = 1_000;
/** The first faults meet work under way. */
const FIRST_MS = 2_000;
const MESSAGES_MAX = 6;

/** What a seed does in so many seconds. Each seed leaves some kinds out and does others more often, so that rare mixes happen. */
export function scheduleOf(seed: number, seconds: number, { kinds = FAULT_KINDS, together = false }: Scope = {}): readonly Entry[] {
  const random = seededRandom(seed);
  const targets = together ? TARGETS_TOGETHER : TARGETS;
  const bag = kinds.flatMap((kind) => Array.from({ length: weightOf(kind, random) }, () => kind));
  const entries: Entry[] = [];
  for (let atMs = FIRST_COPY_MS; atMs < seconds * 1_000; atMs += COPY_EVERY_MS) entries.push({ atMs, kind: 'copy' });
  for (let atMs = FIRST_MS; atMs < seconds * 1_000; atMs += random.integer(GAP_MS_MIN, GAP_MS_MAX)) {
    entries.push({ atMs, ...faultOf(random.pick(bag), targets, random) });
  }
  return entries.sort((a, b) => a.atMs - b.atMs);
}

/** Kills are in every mix; of the others about one in four is left out. */
function weightOf(kind: FaultKind, random: SeededRandom): number {
  const weight = random.pick([0, 1, 1, 3]);
  return kind === 'kill' ? weight + 2 : weight;
}

function faultOf(kind: FaultKind, targets: readonly Target[], random: SeededRandom): Fault {
  const forMs = random.integer(PAUSE_MS_MIN, PAUSE_MS_MAX);
  switch (kind) {
    case 'kill':
      return { kind, target: random.pick(targets) };
    case 'pause':
      return { kind, target: random.pick([...targets, 'NATS']), forMs };
    case 'nats-partition':
      return { kind, forMs: random.integer(PARTITION_MS_MIN, PARTITION_MS_MAX) };
    case 'pause-leader':
      return { kind, forMs, losesLock: random.chance(0.7) };
    case 'nats-rollback':
      return { kind, copiesAgo: random.integer(1, 4) };
    case 'forget':
      return { kind, messages: random.integer(1, MESSAGES_MAX), acknowledges: random.chance(0.5) };
    case 'postgres-stop':
    case 'nats-kill':
    case 'nats-wipe':
      return { kind };
  }
}
