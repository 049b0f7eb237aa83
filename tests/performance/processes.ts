import { readFileSync, readdirSync } from 'node:fs';

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICK_MS = 10;

/** CPU milliseconds so far by group, dead children included. */
export type CpuByGroup = Readonly<Record<string, number>>;

/** What a set of processes costs, read from /proc: each root with everything below it counts as one group. */
export class ProcessCosts {
  /** @param roots answers the roots as they are now: a supervisor may have started one again */
  constructor(private readonly roots: () => ReadonlyMap<number, string>) {}

  cpu(): CpuByGroup {
    const spent: Record<string, number> = {};
    for (const { group, ticks } of this.members()) spent[group] = (spent[group] ?? 0) + ticks * TICK_MS;
    return spent;
  }

  /** Proportional set size in MiB by group: pages that processes share are split between them. */
  pssMiB(): Readonly<Record<string, number>> {
    const held: Record<string, number> = {};
    for (const { pid, group } of this.members()) {
      const kib = Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${String(pid)}/smaps_rollup`))?.[1] ?? 0);
      held[group] = (held[group] ?? 0) + kib / 1024;
    }
    return held;
  }

  private members(): readonly { readonly pid: number; readonly group: string; readonly ticks: number }[] {
    const roots = this.roots();
    const all = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => statOf(Number(name)) ?? []);
    const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
    return all.flatMap(({ pid, ticks }) => {
      const group = groupOf(pid, roots, parents);
      return group === undefined ? [] : [{ pid, group, ticks }];
    });
  }
}

export const sum = (by: Readonly<Record<string, number>>): number => Object.values(by).reduce((total, value) => total + value, 0);

/** What was spent between two readings; a process that ended in between is left out. */
export const spentBetween = (before: CpuByGroup, after: CpuByGroup): CpuByGroup =>
  Object.fromEntries(Object.entries(after).map(([group, ms]) => [group, Math.max(0, ms - (before[group] ?? 0))]));

/** The group of the nearest ancestor that is a root. */
function groupOf(pid: number, roots: ReadonlyMap<number, string>, parents: ReadonlyMap<number, number>): string | undefined {
  for (let current: number | undefined = pid; current !== undefined && current > 1; current = parents.get(current)) {
    const group = roots.get(current);
    if (group !== undefined) return group;
  }
  return undefined;
}

function statOf(pid: number): { readonly pid: number; readonly parent: number; readonly ticks: number } | undefined {
  const text = read(`/proc/${String(pid)}/stat`);
  if (text === '') return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((total, field) => total + Number(field), 0);
  return { pid, parent: Number(fields[1]), ticks };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it ended between listing and reading
  }
}
