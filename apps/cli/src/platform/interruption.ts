/** Ctrl-C, a request to end, or a closed terminal, as an abort signal. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Gives the signals back their usual effect. */
  dispose(): void;
}

/**
 * Listens from now on; `onFirst` is told at once, so that a person is not left to wonder. Further signals while things are being stopped
 * change nothing: stopping has a limit of its own.
 */
export function listenForInterruption(onFirst?: () => void): Interruption {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) return;
    onFirst?.();
    controller.abort(new Interrupted(name));
  };
  for (const name of names) process.on(name, onSignal);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
}

/** The reason with which an interruption aborts. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  constructor(readonly signalName: string) {
    super(`interrupted by ${signalName}`);
  }
}
