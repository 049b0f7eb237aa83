import {
  err,
  isJsonObject,
  ok,
  type JsonObject,
  type Notice,
  type NoticeOutcome,
  type Result,
  type StepError,
} from '@taskmaster/contracts';
import type { InterpretPorts } from './parse-requirements.reactor.js';
import { settleStep } from './reply.js';
import { invalid, textOf, textsOf } from './step-input.js';

async function check(ports: InterpretPorts, notice: Notice): Promise<Result<JsonObject, StepError>> {
  const { title, acceptanceCriteria, result } = notice.input;
  if (!isJsonObject(result)) return err(invalid('requirements.check needs input {"result":{…}}: what the work left behind.'));
  const answer = await ports.interpreter.validateCompletion({
    title: textOf(title, notice.stepId),
    acceptanceCriteria: textsOf(acceptanceCriteria),
    result,
  });
  return answer.ok ? ok({ check: answer.value.value, use: answer.value.use } as unknown as JsonObject) : err(answer.error);
}

/** `requirements.check`: completes the step with `{check, use}`; an incomplete result is a succeeded check that says so. @throws Fault */
export async function reactToCheck(ports: InterpretPorts, notice: Notice): Promise<NoticeOutcome> {
  const startedAt = ports.now();
  return settleStep(ports, notice, startedAt, await check(ports, notice));
}
