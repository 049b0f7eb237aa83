import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { Notice, NoticeOutcome } from '@taskmaster/contracts';
import { handledNotice } from '@taskmaster/messaging';
import type { Logger } from '@taskmaster/service-kit';
import { reactToAgentStep } from './assign-step.reactor.js';
import { reactToChangeStep } from './change.reactor.js';
import type { Coordinator } from './coordinator.js';
import { reactToCommandStep } from './run-command.reactor.js';

export const COORDINATOR = Symbol('Coordinator');
export const LOGGER = Symbol('Logger');
/** Whether this process is on its way out and takes nothing new. */
export const DRAINING = Symbol('Draining');
export type Draining = () => boolean;

const NOT_HERE: NoticeOutcome = { kind: 'later', afterMs: 500 };
type Reaction = (c: Coordinator, notice: Notice) => Promise<NoticeOutcome>;

/** Hands each notice to its reactor. */
@Controller()
export class NoticesController {
  readonly #coordinator: Coordinator;
  readonly #logger: Logger;
  readonly #draining: Draining;

  constructor(@Inject(COORDINATOR) coordinator: Coordinator, @Inject(LOGGER) logger: Logger, @Inject(DRAINING) draining: Draining) {
    this.#coordinator = coordinator;
    this.#logger = logger;
    this.#draining = draining;
  }

  @EventPattern<string>('agent-coordinator_assign')
  assign(@Payload() notice: Notice): Promise<NoticeOutcome> {
    return this.#react(reactToAgentStep, notice);
  }

  @EventPattern<string>('agent-coordinator_command')
  command(@Payload() notice: Notice): Promise<NoticeOutcome> {
    return this.#react(reactToCommandStep, notice);
  }

  @EventPattern<string>('agent-coordinator_change')
  change(@Payload() notice: Notice): Promise<NoticeOutcome> {
    return this.#react(reactToChangeStep, notice);
  }

  async #react(reaction: Reaction, notice: Notice): Promise<NoticeOutcome> {
    if (this.#draining()) return NOT_HERE;
    const startedAt = performance.now();
    const outcome = await reaction(this.#coordinator, notice);
    this.#logger.debug(handledNotice(notice, outcome, performance.now() - startedAt), 'notice handled');
    return outcome;
  }
}
