"""Plausible values by what an argument means, for any server: small lists of things that people really ask about.

A meaning is recognised by the argument's name first and its description second. Nothing here knows a particular server.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

from firefly_agents.offline.words import words

YEAR = 2025
"""Dates are drawn from one fixed year, so that the same seed makes the same calls on any day."""

_FIRST = "Ada Ben Clara David Elena Felix Grace Hugo Ines Jonas Kira Liam Mona Nils Olga Paul Rosa Sven Tara Viktor".split()
_LAST = "Berg Costa Dahl Evans Fischer Garcia Haas Ito Jensen Keller Lopez Moreau Novak Olsen Peters Rossi Silva Weber".split()
_COMPANIES = (
    "Northwind Traders,Blue Heron Books,Cedar Valley Dairy,Harbor Lights Hotel,Maple Street Bakery,Orchard Supply,"
    "Riverside Clinic,Silver Oak Furniture,Sunrise Logistics,Willow Creek Farm"
).split(",")
_CITIES = "London,Paris,Berlin,Madrid,Tokyo,Chicago,Toronto,Sydney,Rome,Vienna,Boston,Seattle,Denver,Dublin,Oslo".split(",")
_WORDS = """
happy brave bright calm clever cold gentle honest huge kind loud quick rich river ocean garden music friend journey angry big
small fast slow old young begin end buy sell help build answer question car house forest road winter summer strong weak
difficult easy beautiful quiet famous hungry mistake gift
""".split()
_TITLES = """
Prepare the quarterly report,Order new office chairs,Call the insurance company,Review the rental contract,Plan the team dinner,
Update the price list,Book the training room,Renew the parking permit,Check the fire alarms,Write the newsletter
""".replace("\n", "").split(",")
_SENTENCES = """
The delivery arrives on Thursday morning.,The meeting was moved to the second floor.,Customers liked the new opening hours.,
The invoice is due at the end of the month.,The garden party was a great success.,The new printer works well.,
Sales of lamps rose sharply in spring.,The contract was signed yesterday.
""".replace("\n", "").split(",")
_PRODUCTS = "Lamp,Chair,Desk,Kettle,Toaster,Bookshelf,Backpack,Bicycle,Teapot,Umbrella".split(",")
_COUNTRIES = "DE FR US GB JP IT ES NL CA AT SE PL BR AU CH".split()
_COUNTRY_NAMES = "Germany,France,Italy,Spain,Japan,Canada,Brazil,Austria,Sweden,Poland".split(",")
_ZONES = "Europe/Berlin,America/New_York,Asia/Tokyo,Europe/London,Australia/Sydney,America/Chicago,Asia/Kolkata".split(",")
_AIRPORTS = "JFK SEA LAX ORD BOS SFO DEN MIA ATL LHR CDG FRA MAD AMS HND SYD VIE ZRH".split()
_TAGS = "urgent,finance,travel,home,garden,health,school".split(",")
_TYPES = "colleague customer friend supplier neighbor".split()
_RELATIONS = "works_at lives_in manages knows visited".split()
_OBSERVATIONS = (
    "speaks three languages,prefers morning meetings,moved to Lisbon in 2021,plays the cello,collects old maps,runs marathons"
).split(",")
_KEYS = (
    "reports/2025-summary.pdf,photos/harbor.png,contracts/lease-42.pdf,exports/orders-march.csv,notes/agenda.txt,backup/shop-07.zip"
).split(",")
_SMILES = "CCO c1ccccc1 CC(=O)O CC(=O)Oc1ccccc1C(=O)O CN1C=NC2=C1C(=O)N(C(=O)N2C)C C1CCCCC1".split()
_DNA = "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG ATGAAACGCATTAGCACCACC GGCTAGCTAGGATCCGAATTCATGC".split()
_PROTEINS = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ ACDEFGHIKLMNPQRSTVWY MVLSPADKTNVKAAWGKVGA".split()
_COLORS = "#1e90ff #2e8b57 #ff7f50 #6a5acd #d2691e".split()


def person(rng: Random) -> str:
    """A full name."""
    return f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"


def _email(rng: Random) -> str:
    return f"{person(rng).lower().replace(' ', '.')}@example.com"


def _date(rng: Random, low: int = 0, high: int = 364) -> str:
    return (date(YEAR, 1, 1) + timedelta(days=rng.randint(low, high))).isoformat()


def _pick(values: list[str] | tuple[str, ...]) -> Callable[[Random], Any]:
    return lambda rng: rng.choice(values)


def _number(low: float, high: float, step: float) -> Callable[[Random], Any]:
    """A round number between ``low`` and ``high``."""

    def draw(rng: Random) -> Any:
        value = low + step * rng.randint(0, int((high - low) / step))
        return int(value) if float(value).is_integer() else round(value, 4)

    return draw


Maker = Callable[[Random], Any]

_TEXT: list[tuple[str, Maker]] = [
    ("smile|mol", _pick(_SMILES)),
    ("inchi", _pick(("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", "InChI=1S/H2O/h1H2"))),
    ("protein sequence|peptide|amino acid", _pick(_PROTEINS)),
    ("sequence|dna|rna|fasta|codon|primer", _pick(_DNA)),
    ("regex|regexp|regular expression", _pick((r"\\d+", r"[A-Z][a-z]+", r"\\w+@\\w+"))),
    ("cron", _pick(("0 9 * * 1", "30 6 1 * *", "*/15 * * * *"))),
    ("ip|ipv4|host ip", _pick(("192.168.1.10", "10.0.0.5", "8.8.8.8"))),
    ("cidr|subnet|network", _pick(("192.168.1.0/24", "10.0.0.0/16"))),
    ("hostname|domain|host", _pick(("example.com", "example.org"))),
    (
        "uuid|guid",
        lambda rng: (
            f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-8{rng.getrandbits(12):03x}-{rng.getrandbits(48):012x}"
        ),
    ),
    ("isbn", _pick(("9780306406157", "9783161484100"))),
    ("iban", _pick(("DE89370400440532013000", "GB29NWBK60161331926819"))),
    ("html", _pick(("<h1>Garden</h1><p>Roses and <b>mint</b>.</p>", "<ul><li>Lamp</li><li>Desk</li></ul>"))),
    ("svg", _pick(('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><circle cx="20" cy="20" r="9"/></svg>',))),
    ("xml", _pick(("<shop><item id='1'>Lamp</item><item id='2'>Desk</item></shop>",))),
    ("css", _pick(("h1 { color: #1e90ff; margin: 4px; }",))),
    ("yaml|yml", _pick(("name: Lamp\nprice: 40\n", "rooms:\n  - kitchen\n  - garden\n"))),
    ("toml", _pick(("[lamp]\nprice = 40\n",))),
    ("csv", _pick(("name,price\nLamp,40\nDesk,120\n", "city,year,sales\nOslo,2024,12\nRome,2025,31\n"))),
    ("json path|jsonpath", _pick(("$.name", "$.items[0].id"))),
    ("json", _pick(('{"name": "Lamp", "price": 40}', '[{"id": 1, "city": "Oslo"}, {"id": 2, "city": "Rome"}]'))),
    ("markdown|md", _pick(("# Garden\n\nRoses, *mint* and thyme.\n", "## Plan\n\n- Lamp\n- Desk\n"))),
    ("mermaid", _pick(("graph TD\n  A[Start] --> B[End]",))),
    ("sparql", _pick(("SELECT ?s ?p ?o WHERE { ?s ?p ?o } LIMIT 5",))),
    ("turtle|ttl|rdf", _pick(("@prefix ex: <http://example.org/> .\nex:Lamp a ex:Thing ; ex:price 40 .\n",))),
    ("latex|tex", _pick((r"\\frac{a}{b} + c^2", r"\\int_0^1 x^2 dx"))),
    ("matrix|matrice", _pick(("[[2, 1], [1, 3]]", "[[4, 0], [1, 5]]"))),
    ("vector|array", _pick(("[1, 2, 3]", "[4, 5, 6]"))),
    ("bound|interval|limit", _pick(("0, 10", "1, 5"))),
    ("polynomial|equation", _pick(("x**2 - 5*x + 6", "x**3 - 2*x + 1"))),
    ("=function|=f|=func", _pick(("x**2 + 3*x", "sin(x)", "exp(-x)"))),
    ("chemical formula|formula molecular|molecular formula", _pick(("H2O", "C6H12O6", "NaCl", "C2H6O"))),
    ("=element|chemical element", _pick(("Fe", "O", "C", "Na", "Au"))),
    ("variable|symbol var|var", _pick(("x",))),
    (
        "snippet|source code|python code|=script",
        _pick(("def add(a, b):\n    return a + b\n", "total = sum(range(10))\nprint(total)\n")),
    ),
    ("abc|abc notation", _pick(("X:1\nT:Scale\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n",))),
    ("branch name|new branch", lambda rng: f"feature-{rng.choice(_WORDS)}"),
    ("branch", _pick(("main",))),
    ("revision|commit|=ref|target ref|=sha|=target|git ref", _pick(("HEAD", "main"))),
    ("base64|b64", _pick(("SGVsbG8sIHdvcmxkIQ==", "R2FyZGVu"))),
    ("barcode|ean|upc", _pick(("4006381333931",))),
    ("zodiac|=sign", _pick(("aries", "leo", "libra"))),
    ("operator|=operation|=op", _pick(("add", "multiply"))),
    ("locale", _pick(("en-US", "de-DE"))),
    ("=version", _pick(("1.2.0", "2.0.1"))),
    # (words of which all of one alternative must occur in the name, maker); first match wins; ``=word`` is the whole name
    ("email|recipient|mail address", _email),
    ("start date|from date|date from|begin date|start|since|check in|date a", lambda rng: _date(rng, 0, 170)),
    ("end date|to date|date to|until|end|check out|due|date b", lambda rng: _date(rng, 190, 364)),
    ("dob|birth", lambda rng: f"{rng.randint(1955, 2004)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"),
    ("datetime|timestamp|date time", lambda rng: f"{_date(rng)}T{rng.randint(8, 18):02d}:30:00"),
    ("date|day", _date),
    ("timezone|time zone", _pick(_ZONES)),
    ("time", lambda rng: f"{rng.randint(7, 21):02d}:{rng.choice((0, 15, 30, 45)):02d}"),
    ("country code|country", _pick(_COUNTRIES)),
    ("country name", _pick(_COUNTRY_NAMES)),
    ("currency", _pick(("EUR", "USD", "GBP"))),
    ("iata|airport", _pick(_AIRPORTS)),
    ("city|place|location|town", _pick(_CITIES)),
    ("first name|given name", _pick(_FIRST)),
    ("last name|family name|surname", _pick(_LAST)),
    ("company|vendor|supplier|organization|organisation|account name", _pick(_COMPANIES)),
    ("product|article|sku", _pick(_PRODUCTS)),
    ("phone|telephone|mobile", lambda rng: f"+1-555-01{rng.randint(10, 99)}"),
    ("url|uri|link|website", lambda rng: f"https://example.com/{rng.choice(_WORDS)}"),
    ("entity type|node type|kind", _pick(_TYPES)),
    ("relation type|relation", _pick(_RELATIONS)),
    ("observation|fact|content", _pick(_OBSERVATIONS)),
    ("content type|mime|media type", _pick(("text/csv", "application/pdf", "image/png", "text/plain"))),
    ("object key|key|object name", _pick(_KEYS)),
    ("bucket|folder|directory|category", _pick(("archive", "uploads", "reports"))),
    ("prefix", _pick(("reports/", "photos/", "backup/"))),
    ("tag|label", _pick(_TAGS)),
    ("title|subject|headline|task", _pick(_TITLES)),
    ("body|message|description|text|summary|reason|note|comment|insight|detail|sentence|paragraph", _pick(_SENTENCES)),
    ("word|term|keyword|lemma", _pick(_WORDS)),
    ("language|locale|lang", _pick(("en", "de", "fr", "es"))),
    ("color|colour|hex", _pick(_COLORS)),
    ("expression|formula|expr", lambda rng: f"{rng.randint(12, 980)} * {rng.randint(3, 40)} + {rng.randint(5, 900)}"),
    ("name|author|owner|customer|assignee|employee|patient|passenger|user|entity", person),
    ("query|search|q", _pick(_WORDS)),
    ("status|state", _pick(("completed", "pending", "open", "done"))),
    ("role", _pick(("editor", "viewer", "manager"))),
    ("insurance", _pick(("yes", "no"))),
]
_NUMBERS: list[tuple[str, Maker]] = [
    ("index|idx|=row|=col|=column|=start|=line|row number|column number|=from row|=position", _number(0, 1, 1)),
    ("probability|prob|=p|=p1|=p2|=alpha|proportion|confidence|fraction|=power|quantile", _number(0.05, 0.95, 0.05)),
    ("year", lambda rng: rng.choice((2024, 2025, 2026))),
    ("floor", _number(1, 9, 1)),
    ("month", lambda rng: rng.randint(1, 12)),
    ("day", lambda rng: rng.randint(1, 28)),
    ("quantity|people|passenger|seat|bag|baggage|luggage|unit|guest|child", _number(1, 6, 1)),
    ("age", _number(21, 79, 1)),
    ("weight", _number(48, 104, 0.5)),
    ("height", _number(152, 196, 1)),
    ("percent|tbsa", _number(5, 45, 2.5)),
    ("life expectancy", _number(82, 95, 1)),
    ("rate|interest|return|growth|yield|inflation|discount|volatility|tax", _number(1.5, 9.5, 0.25)),
    ("second|delay|timeout|wait|sleep|pause|interval", _number(0.5, 1, 0.5)),  # these may really be waited for
    ("hour|duration", _number(2, 24, 1)),
    ("limit|top|max|count|n|k|size limit|page size", _number(3, 9, 1)),
    ("page|offset|level|depth|priority|stop", _number(1, 2, 1)),
    ("font size|font", _number(10, 16, 1)),
    ("start row|end row|start col|end col|start column|end column|row idx|col idx|from row|to row", _number(0, 1, 1)),
    ("file size|byte", _number(1200, 96000, 100)),
    ("radius|distance|km", _number(80, 400, 20)),
    ("volume|ml", _number(250, 3000, 125)),
    ("balance|income|salary|revenue|budget|loan|principal", _number(12000, 96000, 250)),
    ("amount|price|cost|total|fee|payment|value", _number(120, 4800, 20)),
    ("length", _number(3, 6, 1)),
    ("temperature|celsius|fahrenheit", _number(-8, 38, 1)),
    ("latitude", _number(35, 60, 0.25)),
    ("longitude", _number(-10, 25, 0.25)),
]


def by_meaning(name: str, description: str, kind: str, rng: Random) -> Any | None:
    """A plausible value for an argument called ``name``.

    Args:
        name: the argument's name.
        description: its description, asked only where the name tells nothing.
        kind: ``string``, ``integer`` or ``number``.
        rng: the source of variety.

    Returns:
        None where no meaning is recognised.
    """
    if kind == "string" and re.search(r"(?i)(?:^|_)id$|[a-z]I[dD]$", name):
        return None
    table = _TEXT if kind == "string" else _NUMBERS
    if kind != "string" and re.search(r"(?i)(?:^|_|[a-z])(?:years|months|weeks|days|periods|terms?)$", name):
        return rng.randint(3, 24)  # a span, not a date's part
    for asked in (name, description):
        if asked is description and kind == "string" and re.search(r"\bIATA\b|airport code", description):
            return rng.choice(_AIRPORTS)
        found = words(asked)[:12]
        for alternatives, make in table:
            for alternative in alternatives.split("|"):
                exact = alternative.startswith("=")
                if (exact and asked is name and name.lower() == alternative[1:]) or (
                    not exact and set(alternative.split()) <= set(found)
                ):
                    value = make(rng)
                    return _as_kind(value, kind)
    return None


def in_form(form: str, rng: Random) -> str:
    """A date or time written in one of the forms of :data:`firefly_agents.offline.errors.FORMS`."""
    if form.startswith("digits "):
        return "".join(rng.choice("123456789") for _ in range(int(form.split()[1])))
    year, month, day = _date(rng).split("-")
    hour, minute = f"{rng.randint(7, 21):02d}", f"{rng.choice((0, 15, 30, 45)):02d}"
    if form == "ISO 8601":
        form = "YYYY-MM-DDTHH:MM:SS"
    date_part, mark, time_part = form.partition("T") if "T" in form else form.partition(" ")
    if "H" in date_part:
        date_part, time_part = "", form
    written = date_part.replace("YYYY", year).replace("MM", month).replace("DD", day)
    return written + mark + time_part.replace("HH", hour).replace("MM", minute).replace("SS", "00")


def fallback(kind: str, rng: Random) -> Any:
    """A value of a type of which nothing else is known."""
    if kind == "string":
        return rng.choice(_WORDS)
    if kind == "boolean":
        return rng.random() < 0.5
    return rng.randint(2, 60) if kind == "integer" else rng.randint(20, 600) / 10


def _as_kind(value: Any, kind: str) -> Any:
    return round(value) if kind == "integer" and isinstance(value, float) else value
