import { Module, type DynamicModule } from '@nestjs/common';
import { CommandsController } from './commands.controller.js';
import { CommandHandler } from './handle-command.js';
import { QueriesController } from './queries.controller.js';
import { QueryAnswers } from './queries.js';
import { Requirements } from './requirements.js';
import type { StateService } from './state-service.js';

@Module({})
export class StateModule {
  static with({ handler, queries, requirements }: Pick<StateService, 'handler' | 'queries' | 'requirements'>): DynamicModule {
    return {
      module: StateModule,
      controllers: [CommandsController, QueriesController],
      providers: [
        { provide: CommandHandler, useValue: handler },
        { provide: QueryAnswers, useValue: queries },
        { provide: Requirements, useValue: requirements },
      ],
    };
  }
}
