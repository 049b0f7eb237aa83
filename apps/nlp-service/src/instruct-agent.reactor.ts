import { err, ok, type JsonObject, type Notice, type NoticeOutcome, type Result, type StepError } from '@taskmaster/contracts';
import type { InterpretPorts } from './parse-requirements.reactor.js';
import { settleStep } from './reply.js';
import { invalid, objectOf, stepContextOf, textOf, textsOf } from './step-input.js';

async function instruct(ports: InterpretPorts, notice: Notice): Promise<Result<JsonObject, StepError>> {
  const { input } = notice;
  const title = textOf(input['title']);
  if (title === '') return err(invalid('requirements.instruct needs input {"title":"…"}.'));
  const carried = input['text'];
  const requirement = typeof carried === 'string' ? carried : ((await stepContextOf(ports.queries, notice))?.requirement ?? '');
  const answer = await ports.interpreter.generateInstructions({
    title,
    instruction: textOf(input['instruction'], title),
    acceptanceCriteria: textsOf(input['acceptanceCriteria']),
    requirement,
    context: objectOf(input['context']),
  });
  return answer.ok ? ok({ instructions: answer.value.value, use: answer.value.use } as unknown as JsonObject) : err(answer.error);
}

/** `requirements.instruct`: completes the step with `{instructions, use}`. @throws Fault */
export async function reactToInstruct(ports: InterpretPorts, notice: Notice): Promise<NoticeOutcome> {
  const startedAt = ports.now();
  return settleStep(ports, notice, startedAt, await instruct(ports, notice));
}
