import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { kindGroupOf, SUBJECT_COMMANDS, type CommandEnvelope, type CommandReply, type Notice } from '@taskmaster/contracts';
import type { Answer } from './decide-stream.js';
import { commandsOf, parseEnvelope, worksOf } from './envelopes.js';
import { CommandHandler } from './handle-command.js';
import { isLongRequest, Requirements } from './requirements.js';

/** Notices that an answer carries ahead of their messages, and the longest text of an event that becomes one: an answer stays small. */
const AHEAD_MAX = 192;
const AHEAD_LENGTH_MAX = 2_048;

/** The door for commands: answers in the order of the commands. */
@Controller()
export class CommandsController {
  constructor(
    @Inject(CommandHandler) private readonly handler: CommandHandler,
    @Inject(Requirements) private readonly requirements: Requirements,
  ) {}

  @MessagePattern(SUBJECT_COMMANDS)
  async handle(@Payload() request: unknown): Promise<CommandReply> {
    const works = worksOf(request);
    const ahead: Notice[] = [];
    const onReadied = (notice: Notice, length: number): boolean => {
      const isTold = ahead.length < AHEAD_MAX && length <= AHEAD_LENGTH_MAX && works.includes(kindGroupOf(notice.kind));
      if (isTold) ahead.push(notice);
      return isTold;
    };
    const answers = commandsOf(request).map((value) => {
      const parsed = parseEnvelope(value);
      if ('refusal' in parsed) return Promise.resolve(parsed.refusal);
      const { envelope } = parsed;
      return isLongRequest(envelope)
        ? this.handleLong(envelope)
        : this.handler.handle(envelope, works.length === 0 ? undefined : onReadied);
    });
    const settled = await Promise.all(answers);
    return ahead.length === 0 ? { answers: settled } : { answers: settled, ahead };
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
