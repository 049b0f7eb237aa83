import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;

/** A process of ours that plays one part of an engine: it says when it is ready and ends when it is disconnected. */
export class Child<Ready = unknown> {
  private constructor(
    private readonly process: ChildProcess,
    /** What it said when it was ready. */
    readonly ready: Ready,
  ) {}

  /** @param role a file of `roles/`, which is given `input` as its argument */
  static async start<Ready = unknown>(role: string, input: unknown, env: Readonly<Record<string, string>> = {}): Promise<Child<Ready>> {
    const child = fork(fileURLToPath(new URL(`./roles/${role}.js`, import.meta.url)), [JSON.stringify(input)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, ...env },
    });
    const ready = await new Promise<Ready>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`${role} did not become ready within ${String(READY_MS_MAX)} ms`));
      }, READY_MS_MAX);
      const onExit = (code: number | null): void => {
        clearTimeout(timer);
        reject(new Error(`${role} ended with ${String(code)}`));
      };
      child.once('exit', onExit);
      child.once('message', (message) => {
        clearTimeout(timer);
        child.off('exit', onExit);
        resolve(message as Ready);
      });
    });
    return new Child(child, ready);
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Asks something and waits for the next message. */
  ask<Answer>(question: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => {
        reject(new Error(`ended with ${String(code)}`));
      };
      this.process.once('exit', onExit);
      this.process.once('message', (message) => {
        this.process.off('exit', onExit);
        resolve(message as Answer);
      });
      this.process.send(question as object);
    });
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const ended = this.ended();
    this.process.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    const ended = this.ended();
    if (this.process.connected) this.process.disconnect();
    const force = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(force);
  }

  private ended(): Promise<unknown> {
    const { exitCode, signalCode } = this.process;
    return exitCode !== null || signalCode !== null ? Promise.resolve() : new Promise((settle) => this.process.once('exit', settle));
  }
}
