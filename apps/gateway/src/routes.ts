/** One registered route: what Fastify knows about it. */
interface KnownRoute {
  readonly method: string;
  readonly pattern: string;
  readonly regex: RegExp;
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const regexOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : escape(part)))
      .join('/')}/?$`,
  );

/** The routes of this process, as they are registered: answers which methods a path takes, so that 405 differs from 404. */
export class RouteBook {
  private readonly routes: KnownRoute[] = [];

  add(method: string, pattern: string): void {
    this.routes.push({ method, pattern, regex: regexOf(pattern) });
  }

  /** `GET /api/workflows/:id` for every route, in order of registration. */
  all(): readonly string[] {
    return this.routes.map((route) => `${route.method} ${route.pattern}`);
  }

  /** Methods of every route that this URL's path fits. */
  methodsOf(url: string): readonly string[] {
    const path = url.split('?', 1)[0] ?? url;
    return [...new Set(this.routes.filter((route) => route.regex.test(path)).map((route) => route.method))].sort();
  }
}
