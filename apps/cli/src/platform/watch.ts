import { existsSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { SERVICE_NAMES, type ServiceName } from './services.js';

/** A build writes many files; one restart is enough. */
const QUIET_MS = 400;

/** Tells which services have new code, once a build has come to rest. @returns a function that ends it */
export function watchCode(home: string, onChange: (services: readonly ServiceName[]) => void): () => void {
  const changed = new Set<ServiceName>();
  let timer: NodeJS.Timeout | undefined;
  const note = (services: readonly ServiceName[]): void => {
    for (const service of services) changed.add(service);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const names = [...changed];
      changed.clear();
      onChange(names);
    }, QUIET_MS);
  };
  const watchers: FSWatcher[] = [];
  const observe = (directory: string, services: readonly ServiceName[]): void => {
    if (!existsSync(directory)) return;
    const isCode = (file: string | null): boolean => file !== null && file.endsWith('.js') && !file.includes('node_modules');
    watchers.push(
      watch(directory, { recursive: true }, (_event, file) => {
        if (isCode(file)) note(services);
      }),
    );
  };
  for (const service of SERVICE_NAMES) observe(join(home, 'apps', service, 'dist'), [service]);
  observe(join(home, 'libs'), SERVICE_NAMES);
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
