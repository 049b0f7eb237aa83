import { Catch, Module, type DynamicModule, type ExceptionFilter } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Logger } from '@taskmaster/service-kit';
import { throwError, type Observable } from 'rxjs';
import type { Coordinator } from './coordinator.js';
import { COORDINATOR, DRAINING, LOGGER, NoticesController, type Draining } from './notices.controller.js';

/** Hands errors on as they are: the transport tells a fault from a bug by its class, which Nest's own filter would hide. */
@Catch()
class RethrowFilter implements ExceptionFilter<unknown> {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/** Wires the reactors to Nest; everything they need is given. */
@Module({})
export class CoordinatorModule {
  static with(coordinator: Coordinator, logger: Logger, draining: Draining): DynamicModule {
    return {
      module: CoordinatorModule,
      controllers: [NoticesController],
      providers: [
        { provide: COORDINATOR, useValue: coordinator },
        { provide: LOGGER, useValue: logger },
        { provide: DRAINING, useValue: draining },
        { provide: APP_FILTER, useClass: RethrowFilter },
      ],
    };
  }
}
