import { randomUUID } from 'node:crypto';
import { connectBroker } from '@taskmaster/messaging';
import { COMMANDS, doneOf, REQUEST_MS_MAX, type FloorCommand, type FloorInput } from './floor-messages.js';
import { serveWork } from './plain-http.js';
import { announce, roleInput } from './role.js';

const { natsUrl, port } = roleInput<FloorInput>();
const broker = await connectBroker({ url: natsUrl, name: 'floor-gateway' });
const gateway = randomUUID();
const waiting = new Map<string, () => void>();
broker.subscribe(doneOf(gateway), {
  callback: (_error, message) => {
    for (const workflow of message.string().split(',')) {
      waiting.get(workflow)?.();
      waiting.delete(workflow);
    }
  },
});
await serveWork(port, async ({ shape, steps }) => {
  const workflow = randomUUID();
  const done = new Promise<void>((resolve) => waiting.set(workflow, resolve));
  const command: FloorCommand = { kind: 'start', workflow, steps, shape, gateway };
  await broker.request(COMMANDS, JSON.stringify([command]), { timeout: REQUEST_MS_MAX });
  await done;
});
announce();
