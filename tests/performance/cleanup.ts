/** What has to be undone when a measurement ends, however it ends: last started, first stopped. */
export class Cleanup {
  private readonly steps: (() => Promise<unknown>)[] = [];
  private running: Promise<void> | undefined;

  /** Runs everything at Ctrl-C or a request to end, and then exits. */
  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, this.onSignal);
  }

  add(step: () => Promise<unknown>): void {
    this.steps.push(step);
  }

  /** Undoes what was started so far; what is started later can be added again. */
  async run(): Promise<void> {
    this.running ??= this.unwind().finally(() => (this.running = undefined));
    await this.running;
  }

  dispose(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.onSignal);
  }

  private readonly onSignal = (signal: NodeJS.Signals): void => {
    process.stderr.write('\nstopping what was started …\n');
    void this.run().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };

  private async unwind(): Promise<void> {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      await step().catch((error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      });
    }
  }
}
