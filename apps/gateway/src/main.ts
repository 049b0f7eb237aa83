import 'reflect-metadata';
import { announceReady, onShutdown, sayWhyItEnds } from '@taskmaster/service-kit';
import { loadGatewayConfig } from './config.js';
import { startGateway } from './start.js';

sayWhyItEnds('gateway');
const { gateway, port, logger, closeBroker } = await startGateway(loadGatewayConfig());
onShutdown(
  [
    { name: 'http', close: () => gateway.close() },
    { name: 'broker', close: closeBroker },
  ],
  { logger },
);
announceReady({ service: 'gateway', port }, logger);
