const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What has to be undone when a measurement ends, however it ends: last started, first stopped. */
export class Cleanup {
  private readonly steps: (() => Promise<unknown>)[] = [];
  private readonly starting = new Set<Promise<unknown>>();
  private readonly interrupted = new AbortController();
  private running: Promise<void> | undefined;

  /** Undoes everything at Ctrl-C or a request to end, and then exits. */
  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.onSignal);
  }

  /** Aborted by Ctrl-C: what is being started should give up. */
  get signal(): AbortSignal {
    return this.interrupted.signal;
  }

  add(step: () => Promise<unknown>): void {
    this.steps.push(step);
  }

  /** Nothing is undone while something is still being started: half of it could be missed. */
  async during<T>(start: Promise<T>): Promise<T> {
    this.starting.add(start);
    try {
      return await start;
    } finally {
      this.starting.delete(start);
    }
  }

  /** Undoes what was started so far; what is started later can be added again. */
  async run(): Promise<void> {
    this.running ??= this.unwind().finally(() => (this.running = undefined));
    await this.running;
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.onSignal);
  }

  private readonly onSignal = (signal: NodeJS.Signals): void => {
    process.stderr.write('\nstopping what was started …\n');
    this.interrupted.abort();
    void this.run().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };

  private async unwind(): Promise<void> {
    await Promise.allSettled(this.starting);
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      await step().catch((error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      });
    }
  }
}
