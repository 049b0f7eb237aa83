import { existsSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM_NAMES, type ProgramName } from './services.js';

/** A build writes many files; one restart is enough. */
const QUIET_MS = 400;

/** Tells which programs have new code of their own, once a build has come to rest. @returns a function that ends it */
export function watchCode(home: string, onChange: (programs: readonly ProgramName[]) => void): () => void {
  const changed = new Set<ProgramName>();
  let timer: NodeJS.Timeout | undefined;
  const note = (programs: readonly ProgramName[]): void => {
    for (const program of programs) changed.add(program);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const names = [...changed];
      changed.clear();
      onChange(names);
    }, QUIET_MS);
  };
  const watchers: FSWatcher[] = [];
  const observe = (directory: string, programs: readonly ProgramName[]): void => {
    if (!existsSync(directory)) return;
    const isCode = (file: string | null): boolean => file !== null && file.endsWith('.js') && !file.includes('node_modules');
    watchers.push(
      watch(directory, { recursive: true }, (_event, file) => {
        if (isCode(file)) note(programs);
      }),
    );
  };
  for (const program of PROGRAM_NAMES) observe(join(home, 'apps', program, 'dist'), [program]);
  observe(join(home, 'libs'), PROGRAM_NAMES);
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
