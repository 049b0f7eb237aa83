// Preloaded into a service by `--import`: SIGUSR2 starts the CPU profiler, and the next one stops it and writes what it saw.
// It uses the inspector inside the process, so no port is opened.
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';

const directory = process.env['CPU_PROFILES_DIRECTORY'] ?? '.';
const SAMPLING_US = 500;

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: SAMPLING_US });

let isOn = false;
let written = 0;

/** Whole or not there at all: the reader looks for the file. */
function write(name: string, text: string): void {
  const path = join(directory, `${String(process.pid)}.${name}`);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

// V8 counts its own functions as time of their callers; with a frame of its own, reading and writing JSON can be told apart.
const { parse, stringify } = JSON;
JSON.parse = function parseJson(...given: Parameters<typeof parse>): unknown {
  return parse(...given);
};
JSON.stringify = function writeJson(...given: unknown[]): string {
  return stringify(...(given as Parameters<typeof stringify>));
} as typeof stringify;

process.on('SIGUSR2', () => {
  isOn = !isOn;
  if (isOn) {
    session.post('Profiler.start', () => {
      write(`${String(written + 1)}.started`, '');
    });
    return;
  }
  session.post('Profiler.stop', (error, stopped) => {
    written += 1;
    write(`${String(written)}.cpuprofile`, error === null ? JSON.stringify(stopped.profile) : '{}');
  });
});
