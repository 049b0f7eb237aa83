import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DriverAnswer, Phase } from './driver.js';
import type { LoadResult } from './load.js';

const OURS = new URL('./driver.js', import.meta.url);
const STOP_MS_MAX = 10_000;

/** The driver, as its parent sees it. */
export class DriverProcess {
  private constructor(private readonly child: ChildProcess) {}

  /** @param program what drives: it says when it is ready, answers each phase with its result, and ends when it is disconnected */
  static async start(target: unknown, program: URL = OURS): Promise<DriverProcess> {
    const child = fork(fileURLToPath(program), [JSON.stringify(target)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await nextAnswer(child);
    return new DriverProcess(child);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async run(phase: Phase): Promise<LoadResult> {
    const answer = nextAnswer(this.child);
    this.child.send(phase);
    const given = await answer;
    if ('result' in given) return given.result;
    throw new Error('error' in given ? given.error : 'the driver answered something else');
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.connected) this.child.disconnect();
    const force = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(force);
  }
}

function nextAnswer(child: ChildProcess): Promise<DriverAnswer> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`the driver ended with ${String(code)}`));
    };
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as DriverAnswer);
    });
  });
}
