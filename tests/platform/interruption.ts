import { platformModule, type Platform } from './platform-under-test.js';

/** Ctrl-C, or a request to end, from now on, as `task-master up` hears it. */
export async function interruptionSignal(): Promise<AbortSignal> {
  return (await platformModule()).listenForInterruption().signal;
}

/** Gives the work's result, unless it is interrupted or the platform ends first. What was begun is the caller's to stop. */
export async function unlessEnded<T>(work: Promise<T>, platform: Platform, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  const interrupted = new Promise<never>((_resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true, signal: over.signal });
  });
  try {
    return await Promise.race([work, interrupted, failureOf(platform)]);
  } finally {
    over.abort();
  }
}

/** A platform that gives up has failed the test. */
async function failureOf(platform: Platform): Promise<never> {
  const end = await platform.ended;
  throw end.kind === 'failed' ? end.fault : new Error('the platform was stopped');
}
