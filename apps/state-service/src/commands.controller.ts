import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { SUBJECT_COMMANDS, type CommandReply } from '@taskmaster/contracts';
import { commandsOf, parseEnvelope } from './envelopes.js';
import { CommandHandler } from './handle-command.js';

/** The door for commands: answers in the order of the commands. */
@Controller()
export class CommandsController {
  constructor(@Inject(CommandHandler) private readonly handler: CommandHandler) {}

  @MessagePattern(SUBJECT_COMMANDS)
  async handle(@Payload() request: unknown): Promise<CommandReply> {
    const answers = commandsOf(request).map((value) => {
      const parsed = parseEnvelope(value);
      return 'refusal' in parsed ? Promise.resolve(parsed.refusal) : this.handler.handle(parsed.envelope);
    });
    return { answers: await Promise.all(answers) };
  }
}
