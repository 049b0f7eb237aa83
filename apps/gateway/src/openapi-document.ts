import type { INestApplication } from '@nestjs/common';
export async function openApiDocument(app: INestApplication): Promise<unknown> { return { app: typeof app }; }
