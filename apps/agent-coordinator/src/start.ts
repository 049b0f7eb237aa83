import type { CommandSender } from '@taskmaster/contracts';
import { NestFactory } from '@nestjs/core';
import { connectBroker, NatsCommandSender, NatsQueryAsker, NatsStrategy, systemTimers, type OwnWork } from '@taskmaster/messaging';
import { createLogger, frameworkLogger, sayThatItWaits, type Closer, type Logger } from '@taskmaster/service-kit';
import { SERVICE_NAME, type CoordinatorConfig } from './config.js';
import { CoordinatorModule } from './coordinator.module.js';
import { createCoordinator } from './create-coordinator.js';

/** Handlers only ask for a start, or answer: the work itself goes on in the background. */
const NOTICES_CONCURRENT_MAX = 256;

/** A coordinator that is connected. */
export interface ConnectedCoordinator {
  readonly logger: Logger;
  /** What it does as soon as it is told, without waiting for a message. */
  readonly own: OwnWork;
  /** What has to be closed, in this order; also when it has not begun. */
  readonly closers: readonly Closer[];
  /** Takes up what an earlier life left, and then takes work. */
  begin(): Promise<void>;
}

/** Connects, and takes its place on disk. Without `sender` its commands travel through the broker. */
export async function connectCoordinator(config: CoordinatorConfig, sender?: CommandSender): Promise<ConnectedCoordinator> {
  const logger = createLogger({ service: SERVICE_NAME, level: config.LOG_LEVEL });
  const connection = await connectBroker({ url: config.NATS_URL, name: SERVICE_NAME, onWaiting: sayThatItWaits(logger, 'NATS_URL') });
  const own: OwnWork = { groups: ['command'], begin: (notice) => strategy.begin(notice) };
  const running = await createCoordinator(config, {
    sender: sender ?? new NatsCommandSender(connection, systemTimers, own),
    asker: new NatsQueryAsker(connection),
    logger,
  });
  const strategy: NatsStrategy = new NatsStrategy({
    connection,
    maxConcurrent: NOTICES_CONCURRENT_MAX,
    onPoison: running.failPoison,
    onFailure: (what, error) => {
      logger.warn({ what, err: error }, 'handler failed');
    },
  });
  const app = await NestFactory.createMicroservice(CoordinatorModule.with(running.coordinator, logger, running.draining), {
    strategy,
    logger: frameworkLogger(logger),
  });
  return {
    logger,
    own,
    begin: async () => {
      await running.begin();
      await app.listen();
      await running.watch();
    },
    closers: [
      { name: 'attempts', close: running.drain },
      { name: 'app', close: () => app.close() },
      { name: 'place', close: running.release },
    ],
  };
}
