import {
  err,
  ok,
  type JsonObject,
  type Notice,
  type NoticeOutcome,
  type QueryAsker,
  type Result,
  type StepError,
} from '@taskmaster/contracts';
import type { RequirementInterpreter } from './interpreter.js';
import { settleStep, type Replying } from './reply.js';
import { objectOf, requirementOf } from './step-input.js';

/** What the reactors of this service are given. */
export interface InterpretPorts extends Replying {
  readonly interpreter: RequirementInterpreter;
  readonly queries: QueryAsker;
}

async function parse(ports: InterpretPorts, notice: Notice): Promise<Result<JsonObject, StepError>> {
  const text = await requirementOf(ports.queries, notice);
  if (!text.ok) return text;
  const parsed = await ports.interpreter.parseRequirements({ text: text.value, context: objectOf(notice.input['context']) });
  if (!parsed.ok) return err(parsed.error);
  const { value, use } = parsed.value;
  return ok({ items: value.items, metadata: value.metadata, use } as unknown as JsonObject);
}

/** `requirements.parse`: understands the requirement and completes the step with `{items, metadata, use}`. @throws Fault */
export async function reactToParse(ports: InterpretPorts, notice: Notice): Promise<NoticeOutcome> {
  const startedAt = ports.now();
  return settleStep(ports, notice, startedAt, await parse(ports, notice));
}
