//! The rows of the catalog `hr`: made up, and the same on every machine.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;

const PEOPLE: usize = 240;

const FIRST_NAMES: [&str; 40] = [
    "Ada", "Amir", "Ana", "Aoife", "Ben", "Bruno", "Carla", "Chen", "Dana", "Diego", "Elif", "Emil", "Farah",
    "Femi", "Gita", "Hana", "Hugo", "Ines", "Ivan", "Jana", "Jonas", "Kai", "Keiko", "Lena", "Luis", "Maja",
    "Marco", "Mei", "Nadia", "Nils", "Olga", "Omar", "Paula", "Pedro", "Rosa", "Sami", "Tara", "Tomas",
    "Uma", "Yara",
];

const LAST_NAMES: [&str; 40] = [
    "Adler", "Almeida", "Berg", "Bianchi", "Castro", "Costa", "Dubois", "Eriksen", "Farkas", "Fischer",
    "Garcia", "Haas", "Hansen", "Ito", "Jansen", "Kaya", "Keller", "Kim", "Kowalski", "Larsen", "Lopez",
    "Martin", "Meyer", "Mori", "Nguyen", "Novak", "Okafor", "Oliveira", "Patel", "Perez", "Popov", "Rossi",
    "Santos", "Sato", "Silva", "Singh", "Tanaka", "Varga", "Weber", "Wong",
];

/// Department, and where its salaries begin.
const DEPARTMENTS: [(&str, u64); 5] = [
    ("Engineering", 68_000),
    ("Finance", 61_000),
    ("People", 54_000),
    ("Sales", 57_000),
    ("Support", 46_000),
];

/// How far above its beginning a department's salaries reach.
const SALARY_SPAN: u64 = 52_000;

/// Region, its managers, and its part of a hundred people.
const REGIONS: [(&str, [&str; 2], u64); 4] = [
    ("EMEA", ["bob", "erik"], 35),
    ("AMER", ["dana", "frank"], 30),
    ("APAC", ["carol", "goro"], 22),
    ("LATAM", ["helena", "igor"], 13),
];

/// Who sees which region.
const REGION_ACCESS: [(&str, &str); 3] = [("bob", "EMEA"), ("bob", "LATAM"), ("carol", "APAC")];

const OFFICES: [(&str, &str, &str); 9] = [
    ("Berlin", "Germany", "EMEA"),
    ("Lisbon", "Portugal", "EMEA"),
    ("Nairobi", "Kenya", "EMEA"),
    ("Toronto", "Canada", "AMER"),
    ("Denver", "United States", "AMER"),
    ("Osaka", "Japan", "APAC"),
    ("Pune", "India", "APAC"),
    ("Bogotá", "Colombia", "LATAM"),
    ("Recife", "Brazil", "LATAM"),
];

/// 2010-01-01, in days since 1970-01-01.
const FIRST_HIRED: i32 = 14_610;
/// Fifteen years.
const HIRING_DAYS: u64 = 5_479;

/// The sequence of the splitmix64 generator from a fixed start.
struct Sequence(u64);

impl Sequence {
    /// The following number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).checked_rem(limit).unwrap_or(0)
    }
}

struct Employee {
    id: i64,
    name: String,
    email: String,
    region: &'static str,
    department: &'static str,
    salary_cents: i128,
    manager: &'static str,
    hired: i32,
}

/// The table `employees` in the order of hiring, in three parts.
pub(super) fn employees() -> Result<Vec<RecordBatch>, ArrowError> {
    let mut people: Vec<Employee> = everybody().collect();
    people.sort_by_key(|person| person.hired);
    for (person, id) in people.iter_mut().zip(1..) {
        person.id = id;
    }
    people.chunks(PEOPLE.div_ceil(3)).map(batch_of).collect()
}

/// The table `region_access`.
pub(super) fn region_access() -> Result<Vec<RecordBatch>, ArrowError> {
    Ok(vec![RecordBatch::try_from_iter([
        ("user_name", texts(REGION_ACCESS.iter().map(|(user, _)| *user))),
        ("region", texts(REGION_ACCESS.iter().map(|(_, region)| *region))),
    ])?])
}

/// The table `salary_bands`.
pub(super) fn salary_bands() -> Result<Vec<RecordBatch>, ArrowError> {
    let lowest = DEPARTMENTS.iter().map(|(_, base)| i128::from(*base) * 100);
    let highest = DEPARTMENTS.iter().map(|(_, base)| i128::from(*base + SALARY_SPAN) * 100);
    Ok(vec![RecordBatch::try_from_iter([
        ("department", texts(DEPARTMENTS.iter().map(|(name, _)| *name))),
        ("lowest", money(lowest)?),
        ("highest", money(highest)?),
    ])?])
}

/// The table `offices`.
pub(super) fn offices() -> Result<Vec<RecordBatch>, ArrowError> {
    let ids: ArrayRef = Arc::new((1..).take(OFFICES.len()).collect::<Int64Array>());
    Ok(vec![RecordBatch::try_from_iter([
        ("office_id", ids),
        ("city", texts(OFFICES.iter().map(|(city, ..)| *city))),
        ("country", texts(OFFICES.iter().map(|(_, country, _)| *country))),
        ("region", texts(OFFICES.iter().map(|(.., region)| *region))),
    ])?])
}

fn everybody() -> impl Iterator<Item = Employee> {
    let mut sequence = Sequence(2026);
    // Each first name meets each last name at most once.
    let names = FIRST_NAMES.iter().cycle().enumerate().map(|(position, first)| {
        let turn = position / FIRST_NAMES.len();
        let last = LAST_NAMES.iter().cycle().nth(position * 7 % LAST_NAMES.len() + turn).unwrap_or(&"");
        (*first, *last)
    });
    names.take(PEOPLE).map(move |(first, last)| {
        let (region, managers) = region_at(sequence.below(100));
        let (department, base) = pick(&DEPARTMENTS, sequence.below(5)).unwrap_or_default();
        Employee {
            id: 0,
            name: format!("{first} {last}"),
            email: format!("{}.{}@weir.example", first.to_lowercase(), last.to_lowercase()),
            region,
            department,
            salary_cents: i128::from(base + sequence.below(SALARY_SPAN / 50) * 50) * 100,
            manager: pick(&managers, sequence.below(2)).unwrap_or_default(),
            hired: FIRST_HIRED.saturating_add(i32::try_from(sequence.below(HIRING_DAYS)).unwrap_or(0)),
        }
    })
}

/// The region of somebody at this place among a hundred.
fn region_at(place: u64) -> (&'static str, [&'static str; 2]) {
    let mut end = 0;
    for (region, managers, share) in REGIONS {
        end += share;
        if place < end {
            return (region, managers);
        }
    }
    ("EMEA", ["bob", "erik"])
}

fn pick<T: Copy>(of: &[T], position: u64) -> Option<T> {
    usize::try_from(position).ok().and_then(|position| of.get(position)).copied()
}

fn batch_of(people: &[Employee]) -> Result<RecordBatch, ArrowError> {
    let ids: ArrayRef = Arc::new(people.iter().map(|person| person.id).collect::<Int64Array>());
    let hired: ArrayRef = Arc::new(people.iter().map(|person| Some(person.hired)).collect::<Date32Array>());
    RecordBatch::try_from_iter([
        ("employee_id", ids),
        ("name", texts(people.iter().map(|person| person.name.as_str()))),
        ("email", texts(people.iter().map(|person| person.email.as_str()))),
        ("region", texts(people.iter().map(|person| person.region))),
        ("department", texts(people.iter().map(|person| person.department))),
        ("salary", money(people.iter().map(|person| person.salary_cents))?),
        ("manager", texts(people.iter().map(|person| person.manager))),
        ("hired", hired),
    ])
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

fn money(cents: impl Iterator<Item = i128>) -> Result<ArrayRef, ArrowError> {
    let values = cents.map(Some).collect::<Decimal128Array>();
    Ok(Arc::new(values.with_precision_and_scale(10, 2)?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::collections::BTreeSet;

    use arrow::util::pretty::pretty_format_batches;

    use super::*;

    #[test]
    fn people_are_the_same_each_time_and_nobody_is_there_twice() {
        let batches = employees().unwrap();
        assert_eq!(batches, employees().unwrap());
        let emails: BTreeSet<String> = everybody().map(|person| person.email).collect();
        assert_eq!(emails.len(), PEOPLE);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), PEOPLE);
        let first = pretty_format_batches(&[batches.first().unwrap().slice(0, 1)]).unwrap().to_string();
        assert!(first.contains("@weir.example"), "{first}");
    }

    #[test]
    fn every_region_and_manager_has_people() {
        let people: Vec<Employee> = everybody().collect();
        for (region, managers, _) in REGIONS {
            for manager in managers {
                let found = people.iter().any(|person| person.region == region && person.manager == manager);
                assert!(found, "{region} {manager}");
            }
        }
    }

    #[test]
    fn salaries_lie_in_the_band_of_their_department() {
        for person in everybody() {
            let (_, base) = DEPARTMENTS.iter().find(|(name, _)| *name == person.department).unwrap();
            let band = i128::from(*base) * 100..i128::from(base + SALARY_SPAN) * 100;
            assert!(band.contains(&person.salary_cents), "{}", person.name);
        }
    }
}
