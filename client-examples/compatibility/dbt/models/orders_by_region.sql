{{ config(materialized='table') }}

select o.region, count(*) as orders, sum(o.amount) as amount
from {{ source('raw', 'orders') }} as o
join {{ ref('regions') }} as r on r.region = o.region
group by o.region
