import { systemTimers, type Timers } from '@taskmaster/messaging';

/** A wait that can be ended early. A ring that comes while nobody waits ends the next wait at once. */
export class Alarm {
  private rung = false;
  private end: () => void = () => undefined;

  constructor(private readonly timers: Timers = systemTimers) {}

  ring(): void {
    this.rung = true;
    this.end();
  }

  /** @param ms how long it waits when nobody rings */
  async wait(ms: number): Promise<void> {
    if (!this.rung) {
      await new Promise<void>((resolve) => {
        const forget = this.timers.after(ms, resolve);
        this.end = () => {
          forget();
          resolve();
        };
      });
    }
    this.rung = false;
  }
}
