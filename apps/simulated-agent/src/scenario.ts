import { err, ok, type Result } from '@taskmaster/contracts';
import type { SimulatedAssignment } from './assignment-line.js';

/** Every way in which the twin can misbehave during a turn. */
export const FAULTS = [
  'busy',
  'error-screen',
  'error-after-accept',
  'unprocessable',
  'proxy-overloaded',
  'hang',
  'never-leaves-stable',
  'never-stable',
  'flapping',
  'early-stable',
  'dialog',
  'login',
  'rate-limit',
  'empty-answer',
  'no-change',
  'breaks-tests',
  'out-of-scope',
  'dirty-tree',
  'huge-message',
  'sse-drops',
  'crash',
  'ignores-esc',
  'ignores-everything',
  'slow-turn',
] as const;
export type FaultName = (typeof FAULTS)[number];

export interface Fault {
  readonly name: FaultName;
  /** What the fault waits for, where it waits at all. */
  readonly delayMs: number;
  /** Named in a rate limit's answer; absent: the answer names no time. */
  readonly resetMs?: number;
}

/** One rule: the first one that matches an attempt and is not used up decides its fault. */
export interface ScenarioRule {
  /** Step id, or a prefix that ends in `*`. Absent parts match everything. */
  readonly step?: string;
  readonly workflow?: string;
  readonly attempt?: number;
  readonly fault: FaultName;
  readonly delayMs: number;
  readonly resetMs?: number;
  /** How many prompts of this process it applies to; `busy`, `error-screen` and `proxy-overloaded` default to 1. */
  readonly times: number;
}

export interface Scenario {
  /** Time in which a fresh conversation is not ready yet. */
  readonly startDelayMs: number;
  /** A start-up dialog that nobody answers: the status stays `running` for ever. */
  readonly startDialog: boolean;
  /** The process ends with exit code 1 before it listens. */
  readonly exitBeforeListening: boolean;
  readonly rules: readonly ScenarioRule[];
}

export const SCENARIO_RULES_MAX = 1000;
export const NO_SCENARIO: Scenario = { startDelayMs: 0, startDialog: false, exitBeforeListening: false, rules: [] };

const DELAY_MS_DEFAULT = 200;
const ONCE: readonly FaultName[] = ['busy', 'error-screen', 'proxy-overloaded'];
const TOP_KEYS = ['startDelayMs', 'startDialog', 'exitBeforeListening', 'rules'];
const RULE_KEYS = ['step', 'workflow', 'attempt', 'fault', 'delayMs', 'resetMs', 'times'];

type Bag = Readonly<Record<string, unknown>>;

/** Parses a scenario file's JSON; the error names the first thing that is wrong. */
export function parseScenario(json: unknown): Result<Scenario, string> {
  if (!isBag(json)) return err('a scenario is an object');
  const unknown = Object.keys(json).find((key) => !TOP_KEYS.includes(key));
  if (unknown !== undefined) return err(`unknown field ${unknown}`);
  const list = json['rules'] ?? [];
  if (!Array.isArray(list) || list.length > SCENARIO_RULES_MAX) return err(`rules is a list of at most ${String(SCENARIO_RULES_MAX)}`);
  const rules: ScenarioRule[] = [];
  for (const [index, item] of list.entries()) {
    const rule = parseRule(item);
    if (!rule.ok) return err(`rules[${String(index)}]: ${rule.error}`);
    rules.push(rule.value);
  }
  return ok({
    startDelayMs: count(json['startDelayMs']) ?? 0,
    startDialog: json['startDialog'] === true,
    exitBeforeListening: json['exitBeforeListening'] === true,
    rules,
  });
}

function parseRule(item: unknown): Result<ScenarioRule, string> {
  if (!isBag(item)) return err('a rule is an object');
  const unknown = Object.keys(item).find((key) => !RULE_KEYS.includes(key));
  if (unknown !== undefined) return err(`unknown field ${unknown}`);
  const fault = FAULTS.find((known) => known === item['fault']);
  if (fault === undefined) return err(`fault is one of ${FAULTS.join(', ')}`);
  return ok({
    fault,
    delayMs: count(item['delayMs']) ?? DELAY_MS_DEFAULT,
    times: count(item['times']) ?? (ONCE.includes(fault) ? 1 : Number.MAX_SAFE_INTEGER),
    ...given('step', textOf(item['step'])),
    ...given('workflow', textOf(item['workflow'])),
    ...given('attempt', count(item['attempt'])),
    ...given('resetMs', count(item['resetMs'])),
  });
}

/** Gives each prompt its fault. Keeps count of the uses of a rule, by the rule's place, so that a re-read file does not start again. */
export class ScenarioBook {
  readonly #uses = new Map<string, number>();

  faultFor(scenario: Scenario, assignment: SimulatedAssignment): Fault | undefined {
    for (const rule of scenario.rules) {
      const key = JSON.stringify(rule);
      const used = this.#uses.get(key) ?? 0;
      if (used >= rule.times || !matches(rule, assignment)) continue;
      this.#uses.set(key, used + 1);
      return { name: rule.fault, delayMs: rule.delayMs, ...(rule.resetMs === undefined ? {} : { resetMs: rule.resetMs }) };
    }
    return undefined;
  }
}

function matches(rule: ScenarioRule, assignment: SimulatedAssignment): boolean {
  if (rule.workflow !== undefined && rule.workflow !== assignment.workflow) return false;
  if (rule.attempt !== undefined && rule.attempt !== assignment.attempt) return false;
  if (rule.step === undefined) return true;
  return rule.step.endsWith('*') ? assignment.step.startsWith(rule.step.slice(0, -1)) : rule.step === assignment.step;
}

const isBag = (value: unknown): value is Bag => typeof value === 'object' && value !== null && !Array.isArray(value);
const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const given = <K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: T };
