import { PRIORITIES, PROFILE_NAMES, WORKFLOW_STATUSES } from '@taskmaster/contracts';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { demo } from './commands/demo.js';
import { doctor } from './commands/doctor.js';
import { parseRequirement, showHealth, showStatus, verifyLog } from './commands/platform.js';
import { portFrom, up } from './commands/up.js';
import {
  followWorkflow,
  listWorkflows,
  processTask,
  resolveEscalation,
  showEvents,
  showWorkflow,
  steerWorkflow,
} from './commands/workflow.js';
import type { Surroundings } from './config.js';
import { EXIT, exitCodeOf, wordsOf, type ExitCode } from './exit.js';
import { listenForInterruption } from './platform/index.js';
import { connectClient, type TargetOptions } from './target.js';

type Global = TargetOptions & { readonly json?: boolean };
type Action = (options: Global & Record<string, never>, args: readonly (string | undefined)[]) => Promise<ExitCode>;

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1.');
  return value;
};

/** Runs the command line; the answer is the exit code. Never throws. */
export async function runProgram(args: readonly string[], around: Surroundings): Promise<ExitCode> {
  let exit: ExitCode = EXIT.ok;
  const settle = (code: ExitCode): void => {
    exit = code;
  };
  const program = buildProgram(around, settle);
  try {
    await program.parseAsync(args, { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    around.terminal.talk(`${wordsOf(error)}\n`);
    return exitCodeOf(error);
  }
}

/** The whole command line. */
export function buildProgram(around: Surroundings, settle: (code: ExitCode) => void): Command {
  const program = new Command('task-master')
    .description('Turns a requirement in plain language into a merged change')
    .option('--url <url>', 'where the platform is (default: TASKMASTER_URL, else the one that runs here)')
    .option('--api-key <key>', 'its API key (default: TASKMASTER_API_KEY, else that of the one that runs here)')
    .option('--data <dir>', 'data directory of a platform on this machine')
    .option('--json', 'results as JSON on stdout')
    .option('--record <file>', 'keep what the platform answers in this file, for `audit verify --records`')
    .exitOverride()
    .configureOutput({ writeOut: around.terminal.out, writeErr: around.terminal.talk })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(task-master --help says what is possible)')
    .addHelpText(
      'after',
      examples(
        'up',
        'demo',
        'orchestration process --requirement "Add a health check" --repo /path/to/repository.git',
        'workflow list --status running',
      ) + EXIT_CODES,
    );
  const run =
    (action: Action) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      settle(await action(command.optsWithGlobals<Global & Record<string, never>>(), given.slice(0, -2) as (string | undefined)[]));
    };
  addPlatform(program, around, run);
  addOrchestration(program, around, run);
  addWorkflow(program, around, run);
  return program;
}

const ID = 'its id, as `workflow list` shows it';
const STEERING = {
  cancel: 'stop it for good, and clean up behind it; impossible once the merge has started',
  pause: 'start nothing more until it is resumed; what runs may finish',
  resume: 'go on with a paused one',
} as const;

const examples = (...lines: readonly string[]): string => ['', 'Examples:', ...lines.map((line) => `  task-master ${line}`), ''].join('\n');
const EXIT_CODES = '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not there, 4 no access, 5 conflict, 6 too late, 130 interrupted\n';

type Run = (action: Action) => (...given: unknown[]) => Promise<void>;

function addPlatform(program: Command, around: Surroundings, run: Run): void {
  program
    .command('up')
    .description('start the platform and stay until Ctrl-C')
    .option(
      '--port <port>',
      'port of the gateway; 0 takes a free one (default: GATEWAY_PORT, else the last one or 3000 if free, else any)',
      portFrom,
    )
    .option('--watch', 'restart services when their compiled code changes')
    .option('--simulated', 'run the simulated agent also when a real one is configured')
    .option('--apart', 'run every service as a process of its own, as in a cluster')
    .addHelpText('after', examples('up', 'up --port 8080 --data ~/taskmaster'))
    .action(run((options) => up(options, around)));
  program
    .command('demo')
    .description('deliver a requirement to a merged change while you watch')
    .option('--repo <path>', 'your own repository; works on a clone and never touches yours (default: a small sample)')
    .option('--requirement <text>', 'what to deliver (default: a REST API for user management)')
    .option('--keep', 'leave the platform running until Ctrl-C')
    .addHelpText('after', examples('demo', 'demo --repo . --requirement "Add a health check"'))
    .action(run((options) => demo(options, around)));
  program
    .command('doctor')
    .description('look at this machine and say what to do')
    .addHelpText('after', examples('doctor', 'doctor --json'))
    .action(run((options) => doctor(options, around)));
  program
    .command('audit')
    .description('prove that nothing was lost or changed')
    .command('verify')
    .description('check the invariants of the whole log')
    .option('--records <file>', 'compare what clients kept with the log, too')
    .action(run(async (options) => verifyLog(await connectClient(options, around), options, around)));
}

function addOrchestration(program: Command, around: Surroundings, run: Run): void {
  const orchestration = program.command('orchestration').description('process requirements and look at the engine');
  orchestration
    .command('process')
    .argument('[taskId]', 'a task; or give --requirement')
    .description('deliver a task or a requirement and follow it')
    .option('--requirement <text>', 'what to deliver, in plain language')
    .option('--repo <url>', 'repository the change goes to: a path or a URL that git understands (default: none)')
    .option('--branch <name>', 'branch the change is merged into (default: main)')
    .addOption(new Option('--profile <name>', 'the states it goes through (default: cicd)').choices(PROFILE_NAMES))
    .addOption(new Option('--priority <priority>', 'who waits less for a slot (default: medium)').choices(PRIORITIES))
    .option('--timeout <ms>', 'milliseconds the workflow may take (default: DEFAULT_WORKFLOW_TIMEOUT)', wholeNumber)
    .option('--verbose', 'show every event')
    .option('--detach', 'do not follow; print the id of the workflow')
    .addHelpText(
      'after',
      examples(
        'orchestration process --requirement "Add a health check" --repo /path/to/repository.git',
        'orchestration process --requirement "Add a health check" --detach --json',
      ),
    )
    .action(
      run(async (options, [taskId]) =>
        interruptible(async (signal) => processTask(await connectClient(options, around), taskId, { ...options, signal }, around)),
      ),
    );
  orchestration
    .command('status')
    .description('the engine at a glance')
    .action(run(async (options) => showStatus(await connectClient(options, around), options, around)));
  orchestration
    .command('monitor')
    .argument('<workflowId>', ID)
    .description('follow a workflow; Ctrl-C stops looking and changes nothing')
    .addHelpText('after', examples('orchestration monitor wf_…'))
    .action(
      run(async (options, [id = '']) =>
        interruptible(async (signal) => {
          const client = await connectClient(options, around);
          await client.getWorkflow(id);
          return followWorkflow(client, id, { ...options, signal }, around);
        }),
      ),
    );
  orchestration
    .command('parse')
    .argument('<text>', 'the requirement, in plain language')
    .description('understand a requirement without doing anything about it')
    .option('--context <name>', 'where it belongs, such as the name of a project')
    .addHelpText('after', examples('orchestration parse "Add a health check and a status page"'))
    .action(run(async (options, [text = '']) => parseRequirement(await connectClient(options, around), text, options, around)));
  orchestration
    .command('health')
    .description('the health of every part')
    .action(run(async (options) => showHealth(await connectClient(options, around), options, around)));
}

function addWorkflow(program: Command, around: Surroundings, run: Run): void {
  const workflow = program.command('workflow').description('look at workflows and steer them');
  workflow
    .command('list')
    .description('newest first')
    .addOption(new Option('--status <status>', 'only those (default: all)').choices(WORKFLOW_STATUSES))
    .option('--limit <n>', 'how many, 200 at most', wholeNumber, 50)
    .option('--cursor <cursor>', 'go on after a page, with what that page said')
    .addHelpText('after', examples('workflow list', 'workflow list --status blocked --json'))
    .action(
      run(async (options) =>
        listWorkflows(await connectClient(options, around), { ...options, limit: (options as unknown as { limit: number }).limit }, around),
      ),
    );
  workflow
    .command('show')
    .argument('<workflowId>', ID)
    .description('its states, plan and change')
    .action(run(async (options, [id = '']) => showWorkflow(await connectClient(options, around), id, options, around)));
  workflow
    .command('events')
    .argument('<workflowId>', ID)
    .description('everything that happened')
    .option('--follow', 'go on until it has ended')
    .addHelpText('after', examples('workflow events wf_…', 'workflow events wf_… --follow --json'))
    .action(
      run(async (options, [id = '']) =>
        interruptible(async (signal) => {
          const client = await connectClient(options, around);
          await client.getWorkflow(id);
          return showEvents(client, id, { ...options, signal }, around);
        }),
      ),
    );
  workflow
    .command('resolve')
    .description('answer the escalation of a workflow that waits for a person')
    .argument('<workflowId>', ID)
    .addArgument(new Argument('<decision>', 'try the failed step or the fixes once more, or give up').choices(['retry', 'fail']))
    .option('--note <text>', 'why; it is recorded')
    .addHelpText('after', examples('workflow resolve wf_… retry --note "the registry is up again"'))
    .action(
      run(async (options, [id = '', decision = '']) =>
        resolveEscalation(await connectClient(options, around), { id, decision: decision === 'retry' ? 'retry' : 'fail' }, options, around),
      ),
    );
  for (const verb of ['cancel', 'pause', 'resume'] as const) {
    workflow
      .command(verb)
      .description(STEERING[verb])
      .argument('<workflowId>', ID)
      .option('--reason <text>', 'why; it is recorded')
      .addHelpText('after', examples(`workflow ${verb} wf_…`))
      .action(run(async (options, [id = '']) => steerWorkflow(await connectClient(options, around), { verb, id }, options, around)));
  }
}

/** Ctrl-C while following means to stop looking, never to cancel. */
async function interruptible(work: (signal: AbortSignal) => Promise<ExitCode>): Promise<ExitCode> {
  const interruption = listenForInterruption();
  try {
    return await work(interruption.signal);
  } finally {
    interruption.dispose();
  }
}
