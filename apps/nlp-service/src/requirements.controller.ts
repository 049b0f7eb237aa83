import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { Notice, NoticeOutcome } from '@taskmaster/contracts';
import { handledNotice } from '@taskmaster/messaging';
import type { Logger } from '@taskmaster/service-kit';
import { reactToRequirements } from './interpret.reactor.js';
import type { InterpretPorts } from './parse-requirements.reactor.js';

export const PORTS = Symbol('InterpretPorts');
export const LOGGER = Symbol('Logger');

/** Hands each notice of the `requirements` group to the reactors. */
@Controller()
export class RequirementsController {
  readonly #ports: InterpretPorts;
  readonly #logger: Logger;

  constructor(@Inject(PORTS) ports: InterpretPorts, @Inject(LOGGER) logger: Logger) {
    this.#ports = ports;
    this.#logger = logger;
  }

  @EventPattern<string>('nlp-service_interpret')
  async interpret(@Payload() notice: Notice): Promise<NoticeOutcome> {
    const startedAt = performance.now();
    const outcome = await reactToRequirements(this.#ports, notice);
    this.#logger.info(handledNotice(notice, outcome, performance.now() - startedAt), 'notice handled');
    return outcome;
  }
}
