// Walks through the whole dashboard in Chromium, from link to link, in the light theme on a
// wide screen and in the dark one on a phone. On each page axe finds nothing, nothing is
// refused by the page's policy or fails in its script, and nothing has to be scrolled
// sideways. SHOTS names a folder for pictures.
import { readFile } from 'node:fs/promises'
import { chromium } from 'playwright-core'

const base = process.env.BASE_URL
const rootKey = (await readFile(process.env.ROOT_KEY_FILE, 'utf8')).trim()
const axe = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const shots = process.env.SHOTS
const problems = []

const screens = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1440, height: 900 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
  ...(shots ? [
    { name: 'dark', colorScheme: 'dark', viewport: { width: 1440, height: 900 } },
    { name: 'light-phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
  ] : []),
]

// kind is what pages of the same template share: the path with a star for each id, without
// what is selected. Of the documentation, one page is walked through.
const kind = path => new URL(path, base).pathname.replace(/^\/docs\/.*/, '/docs/*')
  .split('/').map(part => /^[a-z]+_[A-Za-z0-9]{8,}$/.test(part) ? '*' : part).join('/')

// picture takes one of the page, of its beginning if it is long.
async function picture(page, name) {
  const [width, height] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollHeight])
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(height, 2000) } })
}

// visit opens a page and returns its links.
async function visit(page, path, screen) {
  const problem = text => { problems.push(`${path} (${screen.name}): ${text}`) }
  page.removeAllListeners()
  page.on('pageerror', e => problem(`script: ${e.message}`))
  page.on('console', m => m.type() === 'error' && !m.text().startsWith('Failed to load') && problem(`console: ${m.text()}`))
  page.on('response', r => r.status() >= 400 && r.url() !== base + path && problem(`${r.url()}: status ${r.status()}`))
  const response = await page.goto(base + path)
  if (response.status() !== 200) {
    problem(`status ${response.status()}`)
    return []
  }
  await page.evaluate(axe)
  const found = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }).then(r => r.violations.map(v => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.target + ' ' + (n.any[0]?.message ?? '')).join('; ')}`)))
  found.forEach(f => problem(`axe: ${f}`))
  const wide = await page.evaluate(() => {
    const most = document.documentElement.clientWidth
    if (document.documentElement.scrollWidth <= most) return
    return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > most + 1).slice(0, 3).map(e => `${e.tagName}.${e.className}`).join(' ') || 'something'
  })
  if (wide) problem(`it is wider than the screen: ${wide}`)
  if (shots) await picture(page, `${kind(path).replaceAll('/', '.').replaceAll('*', 'id').slice(1) || 'overview'}-${screen.name}`)
  return page.evaluate(() => [...document.querySelectorAll('a[href^="/"]')].map(a => a.getAttribute('href')))
}

// signIn takes the way of people: a wrong root key first.
async function signIn(page) {
  await page.goto(base + '/apis')
  const field = page.getByLabel('Root key', { exact: true })
  await field.fill('latchkey_wrong')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  await field.fill(rootKey)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/apis')
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
})
const context = await browser.newContext({ viewport: screens[0].viewport })
context.setDefaultTimeout(60_000)
await visit(await context.newPage(), '/sign-in', screens[0])
await signIn(await context.newPage())
const session = await context.storageState()
await context.close()

const only = process.argv.slice(2)
const paths = only.length ? only : ['/']
for (const screen of screens) {
  const context = await browser.newContext({ ...screen, storageState: session })
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const known = new Set(paths.map(kind))
  for (let i = 0; i < paths.length; i++) {
    for (const link of await visit(page, paths[i], screen)) {
      if (only.length || known.has(kind(link)) || kind(link).startsWith('/reference')) continue
      known.add(kind(link))
      paths.push(link)
    }
  }
  await context.close()
}
await browser.close()

if (paths.length < 3 && !only.length) problems.push(`only ${paths} were found`)
console.log(`${paths.length} kinds of pages, ${problems.length} problems`)
problems.forEach(p => console.log(p))
process.exit(problems.length ? 1 : 0)
