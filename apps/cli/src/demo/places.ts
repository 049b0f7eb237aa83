import { dirname, join } from 'node:path';
import { dataDirectory } from '../platform/index.js';

/** Where the demo keeps its things: beside the data of `task-master up`, never in it. */
export function demoDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const usual = dataDirectory(undefined, { ...env, TASKMASTER_DATA: undefined });
  return join(dirname(usual), 'taskmaster-demo');
}
