import 'reflect-metadata';
import { announceReady, ConfigFault, onShutdown } from '@taskmaster/service-kit';
import { loadGatewayConfig } from './config.js';
import { startGateway } from './start.js';

try {
  const { gateway, port, logger, closeBroker } = await startGateway(loadGatewayConfig());
  onShutdown(
    [
      { name: 'http', close: () => gateway.close() },
      { name: 'broker', close: closeBroker },
    ],
    { logger },
  );
  announceReady({ service: 'gateway', port }, logger);
} catch (error) {
  if (error instanceof ConfigFault) process.stderr.write(`${error.message}\n`);
  else process.stderr.write(`The gateway cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
