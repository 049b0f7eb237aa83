// What the processes of `roles/` have in common: how they are told what to do and how they end.
import type { DriverAnswer, Phase } from '../../performance/driver.js';
import { closedLoop } from '../../performance/load.js';
import type { Shape } from '../../performance/plan-shapes.js';

/** What the parent gave as the argument. */
export const roleInput = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T;

/** Says that it can be used, and ends when the parent disconnects or is gone. */
export function announce(message: unknown = { ready: true }): void {
  process.on('disconnect', () => process.exit(0));
  process.send?.(message);
}

/** One workflow from its start until its end is known; rejects when it does not complete. */
export type RunWork = (work: { readonly shape: Shape; readonly steps: number }) => Promise<unknown>;

/** Answers every phase with what a closed loop of that work measured. */
export function drive(run: RunWork): void {
  const tell = (answer: DriverAnswer): void => void process.send?.(answer);
  process.on('message', ({ shape, steps, ...limits }: Phase) => {
    closedLoop(() => run({ shape, steps }), limits).then(
      (result) => {
        tell({ result });
      },
      (error: unknown) => {
        tell({ error: String(error) });
      },
    );
  });
  announce();
}
