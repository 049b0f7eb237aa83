/** A program that starts a platform and says what becomes of it: what `task-master up` is, without the command line. */
export const DRIVER = `
import { listenForInterruption, startPlatform } from ${JSON.stringify(new URL('../../../dist/platform/index.js', import.meta.url).href)};
const { signal } = listenForInterruption();
const say = (message) => process.stdout.write(message + '\\n');
try {
  const platform = await startPlatform({ env: process.env, data: process.argv[2], home: process.argv[3], signal, onProgress: say });
  say('up at ' + platform.address);
  const end = await platform.ended;
  say('ended: ' + end.kind + (end.kind === 'failed' ? ' ' + end.fault.message : ''));
  process.exitCode = end.kind === 'failed' ? 1 : 0;
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
`;
