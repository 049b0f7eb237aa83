import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { SUBJECT_COMMANDS, type CommandEnvelope, type CommandReply } from '@taskmaster/contracts';
import type { Answer } from './decide-stream.js';
import { commandsOf, parseEnvelope } from './envelopes.js';
import { CommandHandler } from './handle-command.js';
import { isLongRequest, Requirements } from './requirements.js';

/** The door for commands: answers in the order of the commands. */
@Controller()
export class CommandsController {
  constructor(
    @Inject(CommandHandler) private readonly handler: CommandHandler,
    @Inject(Requirements) private readonly requirements: Requirements,
  ) {}

  @MessagePattern(SUBJECT_COMMANDS)
  async handle(@Payload() request: unknown): Promise<CommandReply> {
    const answers = commandsOf(request).map((value) => {
      const parsed = parseEnvelope(value);
      if ('refusal' in parsed) return Promise.resolve(parsed.refusal);
      const { envelope } = parsed;
      return isLongRequest(envelope) ? this.handleLong(envelope) : this.handler.handle(envelope);
    });
    return { answers: await Promise.all(answers) };
  }

  /** The text is stored before the request is decided: a request that is recorded never refers to nothing. */
  private async handleLong(envelope: CommandEnvelope): Promise<Answer> {
    try {
      return await this.handler.handle(await this.requirements.setAside(envelope));
    } catch (error) {
      return { outcome: 'fault', detail: error instanceof Error ? error.message : String(error) };
    }
  }
}
