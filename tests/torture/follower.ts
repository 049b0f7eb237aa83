import { recordedClient, type Client, type Recorder } from '@taskmaster/client';

/** A client that follows everything that happens, from the first event on, and keeps what it sees. */
export class Follower {
  /** Position of the last event seen. */
  position = 0;
  private readonly stopping = new AbortController();

  constructor(client: Client, record: Recorder) {
    const follow = async (): Promise<void> => {
      const events = recordedClient(client, record).events({ after: 0, signal: this.stopping.signal });
      for await (const { position } of events) this.position = position;
    };
    follow().catch((error: unknown) => (this.fault = error));
  }

  /** Why it follows no longer. */
  fault: unknown;

  stop(): void {
    this.stopping.abort();
  }
}
