import { Catch, Module, type DynamicModule, type ExceptionFilter } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Logger } from '@taskmaster/service-kit';
import { throwError, type Observable } from 'rxjs';
import type { InterpretPorts } from './parse-requirements.reactor.js';
import { LOGGER, PORTS, RequirementsController } from './requirements.controller.js';

/** Hands errors on as they are: the transport tells a fault from a bug by its class, which Nest's own filter would hide. */
@Catch()
class RethrowFilter implements ExceptionFilter<unknown> {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/** Wires the reactors to Nest; everything they need is given. */
@Module({})
export class NlpModule {
  static with(ports: InterpretPorts, logger: Logger): DynamicModule {
    return {
      module: NlpModule,
      controllers: [RequirementsController],
      providers: [
        { provide: PORTS, useValue: ports },
        { provide: LOGGER, useValue: logger },
        { provide: APP_FILTER, useClass: RethrowFilter },
      ],
    };
  }
}
