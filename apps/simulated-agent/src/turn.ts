import { setTimeout as delay } from 'node:timers/promises';
import type { SimulatedAssignment } from './assignment-line.js';
import type { Conversation } from './conversation.js';
import { repairOwn, writeStep, type Edits } from './edits/step-edits.js';
import { Worktree } from './edits/worktree.js';
import type { Fault } from './scenario.js';

/** Last line of a complete answer; the prompt asks for it in words, so that an echo of the prompt never holds it. */
export const FINISHED_LINE = 'TASKMASTER-FINISHED';

/** One prompt the twin works on. */
export interface Turn {
  readonly conversation: Conversation;
  readonly assignment: SimulatedAssignment | undefined;
  readonly prompt: string;
  readonly fault: Fault | undefined;
  readonly thinkMs: number;
  /** Aborted by ESC or Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Ends the whole process, as a crash does. */
  crash(): void;
}

const HUGE_CHARACTERS = 2 * 1024 * 1024;
const FLAPS = 6;

/** Works on a prompt and leaves the conversation as a real agent would: an answer, then silence. */
export async function runTurn(turn: Turn): Promise<void> {
  const { conversation } = turn;
  conversation.animate(true);
  conversation.say('agent', 'SIMULATED agent: reading the prompt.');
  try {
    await think(turn, turn.thinkMs);
    const finished = await misbehave(turn);
    if (!finished) conversation.rewriteLast(await work(turn));
  } catch (error) {
    if (!turn.interrupted.aborted)
      conversation.rewriteLast(`SIMULATED agent: the step could not be done: ${reasonOf(error)}\n${FINISHED_LINE}`);
  }
  if (turn.interrupted.aborted) conversation.rewriteLast('SIMULATED agent: interrupted.');
  conversation.animate(turn.fault?.name === 'never-stable' && !turn.interrupted.aborted);
}

/** True when the fault was the whole turn. */
async function misbehave(turn: Turn): Promise<boolean> {
  const { conversation, fault } = turn;
  switch (fault?.name) {
    case 'crash':
      await work(turn);
      turn.crash();
      return true;
    case 'dialog':
      conversation.showOverlay(
        'SIMULATED dialog\nDo you want to create simulated.txt?\n❯ 1. Yes\n  2. No, and tell the agent what to do differently (esc)',
      );
      await silence(turn, Number.MAX_SAFE_INTEGER);
      return true;
    case 'login':
      conversation.rewriteLast('SIMULATED agent: Not logged in · Please run /login');
      return true;
    case 'rate-limit':
      conversation.rewriteLast(limitText(fault.resetMs));
      return true;
    case 'empty-answer':
      conversation.rewriteLast('');
      return true;
    case 'no-change':
      conversation.rewriteLast(`SIMULATED agent: everything is implemented and all tests pass.\n${FINISHED_LINE}`);
      return true;
    case 'never-stable':
    case 'slow-turn':
    case 'ignores-esc':
    case 'ignores-everything':
      await think(turn, fault.name === 'never-stable' ? Number.MAX_SAFE_INTEGER : fault.delayMs);
      return false;
    case 'early-stable':
      conversation.rewriteLast('SIMULATED agent: I will now make the change.');
      await silence(turn, fault.delayMs);
      return false;
    case 'flapping':
      for (let flap = 0; flap < FLAPS; flap += 1) await silence(turn, fault.delayMs / FLAPS);
      return false;
    case 'sse-drops':
      conversation.dropListeners();
      await think(turn, fault.delayMs);
      conversation.dropListeners();
      return false;
    case 'huge-message':
      conversation.rewriteLast(`SIMULATED agent: ${'lorem ipsum '.repeat(HUGE_CHARACTERS / 12)}`);
      return true;
    default:
      return false;
  }
}

/** A screen that does not move although the work is not done: the detector calls it stable. */
async function silence(turn: Turn, ms: number): Promise<void> {
  turn.conversation.animate(false);
  await think(turn, ms);
  turn.conversation.animate(true);
}

async function think(turn: Turn, ms: number): Promise<void> {
  if (ms <= 0) return;
  // A timer holds at most 2^31-1 ms; that is "for ever" here.
  await delay(Math.min(ms, 2_147_483_647), undefined, { signal: turn.interrupted });
}

/** Edits the worktree and says what was done. */
async function work(turn: Turn): Promise<string> {
  const { assignment, fault } = turn;
  if (assignment === undefined) return `SIMULATED agent: no marked workspace line in the prompt, so nothing was done.\n${FINISHED_LINE}`;
  const worktree = await Worktree.open(assignment.workspace);
  const edits = await edit(worktree, turn);
  const paths = [...edits.changed];
  if (fault?.name === 'out-of-scope') paths.push(await editOutOfScope(worktree));
  if (turn.interrupted.aborted) return 'SIMULATED agent: interrupted.';
  if (paths.length > 0) await worktree.commit(paths, `SIMULATED: step ${assignment.step}`);
  if (fault?.name === 'dirty-tree')
    await worktree.write({ path: 'simulated-leftover.txt', content: 'SIMULATED leftover of a dirty tree\n' });
  return `${answerOf(assignment, edits, turn)}\n${FINISHED_LINE}`;
}

async function edit(worktree: Worktree, turn: Turn): Promise<Edits> {
  const step = turn.assignment?.step ?? '';
  if (isRepair(turn.prompt)) {
    const repaired = await repairOwn(worktree);
    if (repaired.changed.length > 0) return repaired;
  }
  return writeStep(worktree, step, turn.fault?.name !== 'breaks-tests');
}

async function editOutOfScope(worktree: Worktree): Promise<string> {
  const path = worktree.files.find((file) => !file.includes('simulated') && /\.(md|txt)$/i.test(file)) ?? 'OUT-OF-SCOPE.md';
  await worktree.write({ path, content: `${(await worktree.read(path)) ?? ''}\nSIMULATED edit outside the step's scope.\n` });
  return path;
}

/** Instructions of fix steps start a line with this word (the findings of a failed validation follow). */
const isRepair = (prompt: string): boolean => /(^|\s)Repair: /.test(prompt);

function answerOf(assignment: SimulatedAssignment, edits: Edits, turn: Turn): string {
  const what = isRepair(turn.prompt) ? 'repaired its own marked files' : 'wrote a marked module and a test that exercises it';
  const list = edits.changed.map((path) => `- ${path}`).join('\n');
  return `SIMULATED agent: ${what} for step ${assignment.step} (${edits.language}). The requirement itself is not implemented.\n${list}`;
}

function limitText(resetMs: number | undefined): string {
  const when = resetMs === undefined ? '' : ` Try again in ${String(Math.ceil(resetMs / 1000))} seconds.`;
  return `SIMULATED agent: You've reached your usage limit.${when}`;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
