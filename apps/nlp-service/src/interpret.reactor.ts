import { err, type Notice, type NoticeOutcome } from '@taskmaster/contracts';
import { reactToCheck } from './check-completion.reactor.js';
import { reactToDecompose } from './decompose-task.reactor.js';
import { reactToInstruct } from './instruct-agent.reactor.js';
import { reactToParse, type InterpretPorts } from './parse-requirements.reactor.js';
import { settleStep } from './reply.js';
import { invalid } from './step-input.js';

/** Everything the consumer of the `requirements` group is handed. Idempotent: ids are derived, answers are checked. @throws Fault */
export function reactToRequirements(ports: InterpretPorts, notice: Notice): Promise<NoticeOutcome> {
  switch (notice.kind) {
    case 'requirements.parse':
      return reactToParse(ports, notice);
    case 'requirements.decompose':
      return reactToDecompose(ports, notice);
    case 'requirements.instruct':
      return reactToInstruct(ports, notice);
    case 'requirements.check':
      return reactToCheck(ports, notice);
    default:
      // A notice of another group is a mistake of the topology; the step must not hang on it.
      return settleStep(ports, notice, ports.now(), err(invalid(`nlp-service does not do ${notice.kind}.`)));
  }
}
