import { err, ok, type JsonObject, type Notice, type NoticeOutcome, type Result, type StepError } from '@taskmaster/contracts';
import type { InterpretPorts } from './parse-requirements.reactor.js';
import { settleStep } from './reply.js';
import { objectOf, requirementOf, understandingOf } from './step-input.js';

async function decompose(ports: InterpretPorts, notice: Notice): Promise<Result<JsonObject, StepError>> {
  const { input } = notice;
  const understood = understandingOf(input['items'], input['metadata']);
  if (!understood.ok) return understood;
  const text = await requirementOf(ports.queries, notice);
  if (!text.ok) return text;
  const plan = await ports.interpreter.decomposeTask({
    ...understood.value,
    text: text.value,
    context: objectOf(input['context']),
    hasRepository: input['hasRepository'] === true,
    enableAgentCoordination: input['enableAgentCoordination'] !== false,
  });
  if (!plan.ok) return err(plan.error);
  return ok({ plan: plan.value.value, use: plan.value.use } as unknown as JsonObject);
}

/** `requirements.decompose`: completes the step with `{plan, use}`. @throws Fault */
export async function reactToDecompose(ports: InterpretPorts, notice: Notice): Promise<NoticeOutcome> {
  const startedAt = ports.now();
  return settleStep(ports, notice, startedAt, await decompose(ports, notice));
}
