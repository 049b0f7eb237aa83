/** What V8's profiler writes, as far as it is read here; times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** Time on the main thread in milliseconds. */
export interface ProfileSums {
  /** Everything but waiting. */
  readonly busyMs: number;
  readonly idleMs: number;
  readonly byGroup: Readonly<Record<string, number>>;
  /** By self time, largest first. */
  readonly top: readonly FunctionTime[];
}

export interface FunctionTime {
  readonly name: string;
  readonly where: string;
  readonly group: string;
  readonly selfMs: number;
}

const IDLE = '(idle)';
/** Frames of V8 itself, which have no caller. */
const OF_V8: Readonly<Record<string, string>> = {
  '(garbage collector)': 'garbage collection',
  '(program)': 'native code and system calls',
  '(root)': 'native code and system calls',
  // The call that started the profiler: native code without a caller is put under it.
  dispatch: 'native code and system calls',
};

/** The first that matches a frame's URL names its group; `node:` files belong to whoever called them, except those named here. */
const GROUPS: readonly (readonly [group: string, url: RegExp])[] = [
  ['JSON', /\/hops\/profile-hook\.js$/],
  ['decide and evolve', /\/libs\/workflow\//],
  ['hash chain', /\/libs\/proof\/|node:internal\/crypto\//],
  ['append: ours', /\/libs\/event-log\//],
  ['append: Postgres driver', /\/node_modules\/(?:pg|pg-[^/]+|postgres-[^/]+|split2)\//],
  ['messages: ours', /\/libs\/messaging\//],
  ['messages: NATS client', /\/node_modules\/(?:nats|nkeys\.js|tweetnacl)\//],
  ['contracts', /\/libs\/contracts\//],
  ['validation', /\/node_modules\/(?:class-validator|class-transformer|validator|libphonenumber-js)\//],
  [
    'HTTP',
    /\/node_modules\/(?:fastify|@fastify|find-my-way|avvio|fast-[^/]+|light-my-request|secure-json-parse|ret|reusify)\/|node:_http_|node:internal\/http/,
  ],
  ['Nest', /\/node_modules\/(?:@nestjs|rxjs|reflect-metadata|iterare|tslib)\//],
  ['logs and metrics', /\/libs\/service-kit\/|\/node_modules\/(?:pino|prom-client|sonic-boom)[^/]*\//],
  ['the service itself', /\/apps\//],
];
const UNNAMED = 'Node (timers, sockets, streams)';

interface Placed {
  readonly node: ProfileNode;
  readonly parent: Placed | undefined;
}

/** Adds a profile up by groups of functions: a sample belongs to the innermost frame that a group names. */
export function sumsOf(profile: CpuProfile, topMax: number): ProfileSums {
  const placed = placedNodes(profile.nodes);
  const self = new Map<number, number>();
  profile.samples.forEach((id, i) => self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[i] ?? 0) / 1000));
  const byGroup: Record<string, number> = {};
  const functions = new Map<string, FunctionTime>();
  let idleMs = 0;
  for (const [id, selfMs] of self) {
    const at = placed.get(id);
    if (at === undefined) continue;
    if (at.node.callFrame.functionName === IDLE) {
      idleMs += selfMs;
      continue;
    }
    const group = groupOf(at);
    byGroup[group] = (byGroup[group] ?? 0) + selfMs;
    addFunction(functions, at, { group, selfMs });
  }
  const busyMs = Object.values(byGroup).reduce((total, ms) => total + ms, 0);
  const top = [...functions.values()].sort((a, b) => b.selfMs - a.selfMs).slice(0, topMax);
  return { busyMs, idleMs, byGroup, top };
}

function placedNodes(nodes: readonly ProfileNode[]): ReadonlyMap<number, Placed> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const placed = new Map<number, Placed>();
  const [root] = nodes;
  const waiting: Placed[] = root === undefined ? [] : [{ node: root, parent: undefined }];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    placed.set(at.node.id, at);
    for (const child of at.node.children ?? []) {
      const node = byId.get(child);
      if (node !== undefined) waiting.push({ node, parent: at });
    }
  }
  return placed;
}

function groupOf(at: Placed): string {
  const ofV8 = at.node.callFrame.url === '' ? OF_V8[at.node.callFrame.functionName] : undefined;
  if (ofV8 !== undefined) return ofV8;
  for (let frame: Placed | undefined = at; frame !== undefined; frame = frame.parent) {
    const { url } = frame.node.callFrame;
    const group = GROUPS.find(([, pattern]) => pattern.test(url))?.[0];
    if (group !== undefined) return group;
  }
  return UNNAMED;
}

function addFunction(
  functions: Map<string, FunctionTime>,
  { node }: Placed,
  { group, selfMs }: Pick<FunctionTime, 'group' | 'selfMs'>,
): void {
  const { functionName, url, lineNumber } = node.callFrame;
  const name = functionName === '' ? '(anonymous)' : functionName;
  const where =
    url === '' ? '' : `${url.replace(/^file:\/\//, '').replace(/^.*\/(?=(?:libs|apps|node_modules)\/)/, '')}:${String(lineNumber + 1)}`;
  const key = `${name} ${where} ${group}`;
  functions.set(key, { name, where, group, selfMs: (functions.get(key)?.selfMs ?? 0) + selfMs });
}
