import { Fault } from '@taskmaster/contracts';
import { GitFault, type Git } from '../git.js';

/** One ref of a push: what it must hold now (`''`: it must not exist) and what it will hold (`''`: it is deleted). */
export interface RefChange {
  readonly ref: string;
  readonly from: string;
  readonly to: string;
}

/** `raced`: some ref no longer held what was expected; nothing was changed. `refused`: the other side does not want it. */
export type PushResult = { readonly kind: 'pushed' } | { readonly kind: 'raced' } | { readonly kind: 'refused'; readonly reason: string };

/** Other writers kept winning for longer than anything sensible explains. */
export class PushContention extends Fault {
  override readonly name = 'PushContention';
  readonly code = 'push-contention';
  readonly retryable = true;
}

// Words of git's own and of servers that mean: the ref moved between our look and our push.
const RACED =
  /stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref|reference already exists|incorrect old value|failed to lock/;

/** Changes several refs of a remote together or not at all, each by compare-and-set. */
export async function push(git: Git, gitDir: string, url: string, changes: readonly RefChange[]): Promise<PushResult> {
  const leases = changes.map((change) => `--force-with-lease=${change.ref}:${change.from}`);
  const specs = changes.map((change) => `${change.to}:${change.ref}`);
  const result = await git.try(['push', '--porcelain', '--no-verify', '--atomic', ...leases, '--', url, ...specs], { gitDir });
  if (result.exitCode === 0) return { kind: 'pushed' };
  const said = `${result.stdout}\n${result.stderr}`;
  if (RACED.test(said)) return { kind: 'raced' };
  const refusal = /^!\t.*\[remote rejected\] \((?!atomic)(.*)\)$/m.exec(result.stdout)?.[1];
  if (refusal !== undefined) return { kind: 'refused', reason: refusal };
  throw new GitFault('push', result.stderr.trim().slice(-600));
}
