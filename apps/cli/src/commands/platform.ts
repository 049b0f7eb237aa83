import { readFile } from 'node:fs/promises';
import { parseClientRecords, verifyWithRecords, type Client, type ClientRecord } from '@taskmaster/client';
import type { Surroundings } from '../config.js';
import { CommandFault, EXIT, type ExitCode } from '../exit.js';
import { durationText, harmless, painter } from '../terminal.js';
import { tableOf } from './workflow.js';

interface Output {
  readonly json?: boolean;
}

const print = ({ terminal }: Surroundings, value: unknown): void => {
  terminal.out(`${JSON.stringify(value, undefined, 2)}\n`);
};

export async function showHealth(client: Client, { json }: Output, around: Surroundings): Promise<ExitCode> {
  const health = await client.health();
  if (json === true) print(around, health);
  else {
    const paint = painter(around.terminal.colour);
    const rows = Object.entries(health.components).map(
      ([name, { status, detail }]) =>
        `  ${paint(status === 'up' ? 'green' : 'red', status.padEnd(5))} ${name.padEnd(18)} ${paint('dim', detail)}`,
    );
    around.terminal.out(`${paint(health.status === 'up' ? 'green' : 'red', health.status)}\n${rows.join('\n')}\n`);
  }
  return health.status === 'down' ? EXIT.failed : EXIT.ok;
}

/** The engine at a glance: health, agents, and what runs. */
export async function showStatus(client: Client, { json }: Output, around: Surroundings): Promise<ExitCode> {
  const [health, agents, running, latest] = await Promise.all([
    client.health(),
    client.agents(),
    client.listWorkflows({ status: 'running', limit: 50 }),
    client.listWorkflows({ limit: 10 }),
  ]);
  if (json === true) {
    print(around, { health, agents: agents.items, running: running.items, latest: latest.items });
    return EXIT.ok;
  }
  const names = agents.items.map(
    ({ profile, available, running: load }) =>
      `  ${profile.name} (${profile.type}${profile.simulated ? ', SIMULATED' : ''}): ${available ? `${String(load)} of ${String(profile.maxConcurrent)} busy` : 'unavailable'}`,
  );
  around.terminal.out(
    `${[`platform ${health.status}`, 'agents', ...names, `${String(running.items.length)} running`, ...(running.items.length === 0 ? [] : tableOf(running.items, around)), 'latest', ...tableOf(latest.items, around)].join('\n')}\n`,
  );
  return EXIT.ok;
}

export async function parseRequirement(
  client: Client,
  text: string,
  { json, context }: Output & { readonly context?: string },
  around: Surroundings,
): Promise<ExitCode> {
  const parsed = await client.parse(text, context === undefined ? {} : { context: { name: context } });
  if (json === true) {
    print(around, parsed);
    return EXIT.ok;
  }
  const paint = painter(around.terminal.colour);
  const { items, metadata, use } = parsed;
  around.terminal.out(
    `${[
      paint('bold', `${String(items.length)} item${items.length === 1 ? '' : 's'}`),
      ...items.map(
        (item) =>
          `  ${item.id}  ${harmless(item.title)} ${paint('dim', `(${item.type}, ${item.priority}${item.dependsOn.length === 0 ? '' : `, after ${item.dependsOn.join(', ')}`})`)}`,
      ),
      `complexity    ${String(metadata.complexity)} of 10`,
      `technologies  ${metadata.technologies.join(', ') || 'none named'}`,
      `risks         ${metadata.risks.join('; ') || 'none seen'}`,
      ...metadata.acceptanceCriteria.map((criterion) => `  done when   ${harmless(criterion)}`),
      paint(
        'dim',
        `understood by ${use.provider}${use.provider === 'offline' ? ' (rules of language, no model)' : ` (${use.model})`} in ${durationText(use.latencyMs)}`,
      ),
    ].join('\n')}\n`,
  );
  return EXIT.ok;
}

/** Checks the log, and with a file of records also what clients were told (invariant 4). */
export async function verifyLog(
  client: Client,
  { json, records }: Output & { readonly records?: string },
  around: Surroundings,
): Promise<ExitCode> {
  const report = await (records === undefined ? client.verify() : verifyWithRecords(client, await recordsIn(records)));
  const broken = report.invariants.filter(({ violations }) => violations.length > 0);
  if (json === true) print(around, report);
  else {
    const paint = painter(around.terminal.colour);
    const rows = report.invariants.flatMap(({ number, name, checked, violations }) => [
      `${violations.length === 0 ? paint('green', '✔') : paint('red', '✘')} ${String(number).padStart(2)} ${name} ${paint('dim', `(${String(checked)} checked)`)}`,
      ...violations.map((violation) => paint('red', `      ${violation}`)),
    ]);
    around.terminal.out(
      `${[...rows, `${broken.length === 0 ? 'all invariants hold' : `${String(broken.length)} invariants are broken`}: ${String(report.head)} events in ${String(report.streams)} streams, ${durationText(report.durationMs)}`].join('\n')}\n`,
    );
  }
  return broken.length === 0 ? EXIT.ok : EXIT.failed;
}

/** @throws CommandFault */
async function recordsIn(file: string): Promise<readonly ClientRecord[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandFault(`${file} cannot be read: ${(error as Error).message}`, EXIT.usage);
  });
  const parsed = parseClientRecords(text);
  if (!parsed.ok) throw new CommandFault(`${file}: ${parsed.error}; records are written with --record FILE.`, EXIT.usage);
  return parsed.value;
}
