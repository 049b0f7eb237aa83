import { isJsonObject, type JsonObject } from '@taskmaster/contracts';
import type { DriverOutcome } from '../driver.js';
import { failed, type Failure } from './failures.js';
import type { ProgramEnd } from './program.js';
import { classifyTail, redact } from './screen-tail.js';

/** Reads what a headless agent prints and says at the end what it meant. */
export interface OutputReader {
  /** True when this line was the agent's last word. */
  take(line: string): boolean;
  judge(end: ProgramEnd): DriverOutcome;
}

const SUMMARY_CHARACTERS_MAX = 1_000;

const claim = (said: string): DriverOutcome => {
  const text = redact(said).trim();
  return {
    kind: 'finished',
    summary: text === '' ? 'The agent said nothing.' : text.slice(0, SUMMARY_CHARACTERS_MAX),
    transcriptTail: text.slice(-4_000),
  };
};

/** A program that ended without the event that closes a turn. */
function ended(end: ProgramEnd): DriverOutcome {
  const error = classifyTail(end.tail, Date.now());
  if (error !== undefined) return { kind: 'failed', error };
  const how = end.exitCode === undefined ? 'by a signal' : `with exit code ${String(end.exitCode)}`;
  return failed('exit', `The agent ended ${how} before its turn was over.`, { detail: { output: redact(end.tail) } });
}

function byStatus(status: number, message: string): Failure {
  if (status === 401 || status === 403) return failed('auth_required', message);
  if (status === 429) return failed('rate_limited', message);
  return status >= 500 ? failed('overloaded', message) : failed('exit', message);
}

function parse(line: string): JsonObject {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** Claude Code's stream-json: the `result` event counts; a failure may call itself `success`, a denied permission does. */
export class ClaudeReader implements OutputReader {
  #result: JsonObject | undefined;

  take(line: string): boolean {
    const event = parse(line);
    if (event['type'] !== 'result') return false;
    this.#result = event;
    return true;
  }

  judge(end: ProgramEnd): DriverOutcome {
    const result = this.#result;
    if (result === undefined) return ended(end);
    const said = typeof result['result'] === 'string' ? result['result'] : '';
    if (result['is_error'] === true) return this.#failure(String(result['subtype']), said, Number(result['api_error_status'] ?? 0));
    const denials = result['permission_denials'];
    if (Array.isArray(denials) && denials.length > 0)
      return failed('permission_denied', 'The agent was not allowed to do what it wanted to.', { detail: { denials: denials.length } });
    return claim(said);
  }

  #failure(subtype: string, said: string, status: number): DriverOutcome {
    if (subtype === 'error_max_turns') return failed('max_turns', 'The agent used up its turns.');
    if (subtype === 'error_max_budget_usd') return failed('budget', 'The agent used up its budget.');
    const error = classifyTail(said, Date.now());
    if (error !== undefined) return { kind: 'failed', error };
    return byStatus(status, `The agent failed: ${redact(said).slice(0, SUMMARY_CHARACTERS_MAX)}`);
  }
}

/** Codex' JSONL: `turn.completed` closes a turn, the last `agent_message` is the answer. */
export class CodexReader implements OutputReader {
  #answer = '';
  #completed = false;
  #failure = '';

  take(line: string): boolean {
    const event = parse(line);
    const item = event['item'];
    if (event['type'] === 'item.completed' && isJsonObject(item) && item['type'] === 'agent_message') this.#answer = String(item['text']);
    if (event['type'] === 'turn.failed' || event['type'] === 'error')
      this.#failure = JSON.stringify(event['error'] ?? event['message'] ?? '');
    if (event['type'] === 'turn.completed') this.#completed = true;
    return event['type'] === 'turn.completed' || event['type'] === 'turn.failed';
  }

  judge(end: ProgramEnd): DriverOutcome {
    if (this.#completed) return claim(this.#answer);
    if (this.#failure === '') return ended(end);
    const status = Number(/\b([45]\d\d)\b/.exec(this.#failure)?.[1] ?? 0);
    return byStatus(status, `The agent failed: ${redact(this.#failure).slice(0, SUMMARY_CHARACTERS_MAX)}`);
  }
}

/** Plain text, whose exit code says nothing but that the program ended (aider). */
export class TextReader implements OutputReader {
  take(): boolean {
    return false;
  }

  judge(end: ProgramEnd): DriverOutcome {
    return end.exitCode === 0 ? claim(end.tail) : ended(end);
  }
}
