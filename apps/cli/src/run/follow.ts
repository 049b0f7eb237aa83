import type { Client } from '@taskmaster/client';
import { LiveBlock, type Terminal } from '../terminal.js';
import { narrate } from './narrate.js';
import { renderRun } from './render.js';
import { emptyRun, watch, type Run } from './run.js';

const FRAME_MS = 100;

/**
 * Shows a workflow until it has ended, waits for a person, or the signal says stop; then the run as far as it was seen. Stopping to look
 * changes nothing.
 */
export async function followRun(
  parts: { readonly client: Client; readonly terminal: Terminal; readonly signal?: AbortSignal | undefined },
  workflowId: string,
): Promise<Run> {
  const { client, terminal, signal } = parts;
  let run = emptyRun(workflowId);
  const block = new LiveBlock(terminal);
  const draw = (): void => {
    block.draw(renderRun(run, { columns: terminal.columns(), colour: terminal.colour, now: Date.now() }));
  };
  const frames = terminal.live ? setInterval(draw, FRAME_MS) : undefined;
  try {
    for await (const event of client.events({ workflowId, after: 0, ...(signal === undefined ? {} : { signal }) })) {
      run = watch(run, event);
      const line = terminal.live ? undefined : narrate(run, event);
      if (line !== undefined) terminal.talk(`${line}\n`);
      if (run.escalation !== undefined) break;
    }
  } finally {
    clearInterval(frames);
    if (terminal.live) draw();
  }
  return run;
}
