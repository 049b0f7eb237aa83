/** One workflow that a caller handed in; times of `performance.now()`. */
export interface Flight {
  readonly key: string;
  readonly begin: number;
  end?: number;
  /** Calls that ended without an answer and were made again with the same key. */
  lostCalls: number;
}

export interface RecoveryLoad {
  readonly flights: readonly Flight[];
  /** Nobody starts anything new: what is left is what was in flight. */
  finish(): void;
  /** Settles when every caller has its answer. */
  readonly done: Promise<unknown>;
}

const AGAIN_MS = 20;
const GIVE_UP_MS = 60_000;

/**
 * Callers in a closed loop, each asking again with the same key until it has an answer.
 * @param again false where a key means nothing to the engine: a call that is lost then stays without an answer
 */
export function startRecoveryLoad(
  call: (key: string) => Promise<unknown>,
  { concurrency, again }: { readonly concurrency: number; readonly again: boolean },
): RecoveryLoad {
  const flights: Flight[] = [];
  let isFinishing = false;
  const caller = async (index: number): Promise<void> => {
    for (let n = 0; !isFinishing; n += 1) {
      const flight: Flight = { key: `caller-${String(index)}-${String(n)}`, begin: performance.now(), lostCalls: 0 };
      flights.push(flight);
      await fly(flight);
      if (flight.end === undefined) return;
    }
  };
  const fly = async (flight: Flight): Promise<void> => {
    while (flight.end === undefined && performance.now() < flight.begin + GIVE_UP_MS) {
      try {
        await call(flight.key);
        flight.end = performance.now();
      } catch {
        flight.lostCalls += 1;
        if (!again) return;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  };
  return {
    flights,
    finish: () => {
      isFinishing = true;
    },
    done: Promise.all(Array.from({ length: concurrency }, (_, index) => caller(index))),
  };
}
